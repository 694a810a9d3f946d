#ifndef RASLINE_GLUE_H
#define RASLINE_GLUE_H

#include <stdint.h>
#include <windows.h>
#include <ras.h>

/* The arguments of RasCustomScriptExecute, on the stack of its caller. */
typedef struct {
	HANDLE port;
	LPCWSTR phonebook, entry;
	PFNRASGETBUFFER get;
	PFNRASFREEBUFFER release;
	PFNRASSENDBUFFER send;
	PFNRASRECEIVEBUFFER receive;
	PFNRASRETRIEVEBUFFER retrieve;
	RASDIALPARAMS *params;
	PFNRASSETCOMMSETTINGS setcomm; /* NULL without the extension */
	HANDLE done;                   /* signalled by Go when the script has ended */
} rasline_args;

/* Go cannot call a C function pointer. */
DWORD rasline_get(rasline_args *a, PBYTE *buffer, DWORD *size);
DWORD rasline_free(rasline_args *a, PBYTE buffer);
DWORD rasline_send(rasline_args *a, PBYTE buffer, DWORD size);
DWORD rasline_receive(rasline_args *a, PBYTE buffer, DWORD *size, DWORD ms, uintptr_t event);
DWORD rasline_retrieve(rasline_args *a, PBYTE buffer, DWORD *size);
DWORD rasline_set_comm(rasline_args *a, void *settings);

/* Go calls rasline_ready once, when its packages are initialized, with the
 * addresses of its functions. */
void rasline_ready(uintptr_t start, uintptr_t cancel, uintptr_t finish);

/* The module that this code is in, or NULL. */
HMODULE rasline_module(DWORD flags);

#endif
