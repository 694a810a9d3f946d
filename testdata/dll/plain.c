/* A DLL that is no custom script. */
#include <windows.h>

__declspec(dllexport) DWORD WINAPI SomethingElse(void) { return 0; }
