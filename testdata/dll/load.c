/* DLLs that cannot be loaded; LOAD names the kind when it is compiled. */
#include "script.h"

#define HANG 1
#define CRASH 2
#define REFUSE 3
#define NEED 4

#if LOAD == NEED
__declspec(dllimport) int missing_function(void);
#endif

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved)
{
	(void)instance;
	(void)reserved;
	if (reason != DLL_PROCESS_ATTACH)
		return TRUE;
#if LOAD == HANG
	Sleep(INFINITE);
#elif LOAD == CRASH
	*(volatile int *)(ULONG_PTR)0x20 = 1;
#elif LOAD == REFUSE
	return FALSE;
#elif LOAD == NEED
	return missing_function();
#endif
	return TRUE;
}

DWORD script_main(RUN *run)
{
	(void)run;
	return 0;
}
