/* Prints the layouts of ras.h into the assembly, so that they can be read
 * without running anything: gcc -DLEVEL=0x0601 -S -o - layout.c | grep '@layout'.
 *
 * LEVEL is the WINVER. The header of mingw begins with that of Windows 2000 and
 * ends with that of Windows 7; the structures before and after it are made of its
 * types here. */
#define WINVER LEVEL
#define _WIN32_WINNT LEVEL
#include <stddef.h>
#include <windows.h>
#include <ras.h>

#define SHOW(name, value) __asm__ volatile("/* @layout " name " %c0 */" ::"i"(value))
#define FIELD(type, field) SHOW(#field, offsetof(type, field))

#pragma pack(push, 4)
#if LEVEL < 0x0401
typedef struct {
	DWORD dwSize;
	WCHAR szEntryName[RAS_MaxEntryName + 1], szPhoneNumber[RAS_MaxPhoneNumber + 1], szCallbackNumber[RAS_MaxCallbackNumber + 1],
		szUserName[UNLEN + 1], szPassword[PWLEN + 1], szDomain[DNLEN + 1];
} PARAMS;
#elif LEVEL < 0x0602
typedef RASDIALPARAMSW PARAMS;
#else
typedef struct {
	DWORD dwSize;
	WCHAR szEntryName[RAS_MaxEntryName + 1], szPhoneNumber[RAS_MaxPhoneNumber + 1], szCallbackNumber[RAS_MaxCallbackNumber + 1],
		szUserName[UNLEN + 1], szPassword[PWLEN + 1], szDomain[DNLEN + 1];
	DWORD dwSubEntry;
	ULONG_PTR dwCallbackId;
	DWORD dwIfIndex;
	LPWSTR szEncPassword;
} PARAMS;
#endif
#pragma pack(pop)

void layout(void)
{
	SHOW("RASDIALPARAMSW", sizeof(PARAMS));
	FIELD(PARAMS, szEntryName);
	FIELD(PARAMS, szPhoneNumber);
	FIELD(PARAMS, szCallbackNumber);
	FIELD(PARAMS, szUserName);
	FIELD(PARAMS, szPassword);
	FIELD(PARAMS, szDomain);
#if LEVEL >= 0x0401
	FIELD(PARAMS, dwSubEntry);
	FIELD(PARAMS, dwCallbackId);
#endif
#if LEVEL >= 0x0601
	FIELD(PARAMS, dwIfIndex);
#endif
#if LEVEL >= 0x0602
	FIELD(PARAMS, szEncPassword);
#endif
	SHOW("RASCOMMSETTINGS", sizeof(RASCOMMSETTINGS));
	FIELD(RASCOMMSETTINGS, bParity);
	FIELD(RASCOMMSETTINGS, bStop);
	FIELD(RASCOMMSETTINGS, bByteSize);
	SHOW("RASCUSTOMSCRIPTEXTENSIONS", sizeof(RASCUSTOMSCRIPTEXTENSIONS));
	FIELD(RASCUSTOMSCRIPTEXTENSIONS, pfnRasSetCommSettings);
}
