/* Go programs ask bcryptprimitives.dll for random numbers when they start, and
 * older wines have no such DLL. This one passes the request on. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size)
{
	while (size > 0) {
		ULONG n = size > 0x10000 ? 0x10000 : (ULONG)size;

		if (!SystemFunction036(buffer, n))
			return FALSE;
		buffer += n;
		size -= n;
	}
	return TRUE;
}
