/* Prints the layouts of ras.h into the assembly, so that they can be read
 * without running anything: gcc -S -o - layout.c | grep '@layout'. */
#include <stddef.h>
#include <windows.h>
#include <ras.h>

#define SHOW(name, value) __asm__ volatile("/* @layout " name " %c0 */" ::"i"(value))
#define FIELD(type, field) SHOW(#field, offsetof(type, field))

void layout(void)
{
	SHOW("RASDIALPARAMSW", sizeof(RASDIALPARAMSW));
	FIELD(RASDIALPARAMSW, szEntryName);
	FIELD(RASDIALPARAMSW, szPhoneNumber);
	FIELD(RASDIALPARAMSW, szCallbackNumber);
	FIELD(RASDIALPARAMSW, szUserName);
	FIELD(RASDIALPARAMSW, szPassword);
	FIELD(RASDIALPARAMSW, szDomain);
	FIELD(RASDIALPARAMSW, dwSubEntry);
	FIELD(RASDIALPARAMSW, dwCallbackId);
#if _WIN32_WINNT >= 0x0601
	FIELD(RASDIALPARAMSW, dwIfIndex);
#endif
	SHOW("RASCOMMSETTINGS", sizeof(RASCOMMSETTINGS));
	FIELD(RASCOMMSETTINGS, bParity);
	FIELD(RASCOMMSETTINGS, bStop);
	FIELD(RASCOMMSETTINGS, bByteSize);
	SHOW("RASCUSTOMSCRIPTEXTENSIONS", sizeof(RASCUSTOMSCRIPTEXTENSIONS));
	FIELD(RASCUSTOMSCRIPTEXTENSIONS, pfnRasSetCommSettings);
}
