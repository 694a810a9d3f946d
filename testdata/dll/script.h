/* What the scripts in this folder share: the callbacks of one run and the
 * usual receive loop. Written for C89 compilers and Windows 2000, like the DLLs
 * that it stands for. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <windows.h>
#include <ras.h>
#include <string.h>

/* raserror.h hides the retired codes from current targets. */
#define CODE_PENDING 600
#define CODE_INVALID_SIZE 632
#define CODE_UNKNOWN 635
#define CODE_REQUEST_TIMEOUT 638
#define CODE_AUTHENTICATION_FAILURE 691

typedef struct {
	HANDLE port;
	HWND window;
	LPCWSTR entry;
	RASDIALPARAMSW *params;
	PFNRASGETBUFFER get;
	PFNRASFREEBUFFER free;
	PFNRASSENDBUFFER send;
	PFNRASRECEIVEBUFFER receive;
	PFNRASRETRIEVEBUFFER retrieve;
	PFNRASSETCOMMSETTINGS setcomm; /* NULL without the extension */
} RUN;

/* script_main is what each DLL does. */
DWORD script_main(RUN *run);

/* On 386, link with -Wl,--kill-at: RAS asks for the undecorated name. */
__declspec(dllexport) DWORD WINAPI RasCustomScriptExecute(HANDLE port, LPCWSTR phonebook, LPCWSTR entry,
	PFNRASGETBUFFER get, PFNRASFREEBUFFER release, PFNRASSENDBUFFER send, PFNRASRECEIVEBUFFER receive,
	PFNRASRETRIEVEBUFFER retrieve, HWND window, RASDIALPARAMSW *params, PVOID reserved)
{
	RASCUSTOMSCRIPTEXTENSIONS *ext = reserved;
	RUN run;

	(void)phonebook;
	run.port = port;
	run.window = window;
	run.entry = entry;
	run.params = params;
	run.get = get;
	run.free = release;
	run.send = send;
	run.receive = receive;
	run.retrieve = retrieve;
	run.setcomm = ext != NULL && ext->dwSize >= sizeof *ext ? ext->pfnRasSetCommSettings : NULL;
	return script_main(&run);
}

#endif
