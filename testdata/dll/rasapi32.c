/* A phone book with one entry, Work, which is kept in the file that the
 * environment variable RASLINE_TESTBOOK names: the properties as RASENTRYW. */
#define WINVER 0x0601
#define _WIN32_WINNT 0x0601
#include <windows.h>
#include <ras.h>
#include <string.h>

#define BUFFER_TOO_SMALL 603
#define CANNOT_FIND_PHONEBOOK_ENTRY 623
#define INVALID_SIZE 632
#define EXTRA 64 /* alternate phone numbers */

static HANDLE open_book(DWORD access)
{
	WCHAR path[MAX_PATH];

	if (GetEnvironmentVariableW(L"RASLINE_TESTBOOK", path, MAX_PATH) == 0)
		return INVALID_HANDLE_VALUE;
	return CreateFileW(path, access, 0, NULL, OPEN_ALWAYS, 0, NULL);
}

__declspec(dllexport) DWORD WINAPI RasGetEntryPropertiesW(LPCWSTR book, LPCWSTR name, LPRASENTRYW entry, LPDWORD size, LPBYTE device, LPDWORD n)
{
	DWORD need = sizeof *entry + (name[0] == 0 ? 0 : EXTRA), got;
	HANDLE f;

	(void)device;
	(void)n;
	if (book != NULL && lstrcmpW(book, L"C:\\other.pbk") != 0)
		return ERROR_FILE_NOT_FOUND;
	if (name[0] != 0 && lstrcmpW(name, L"Work") != 0)
		return CANNOT_FIND_PHONEBOOK_ENTRY;
	if (entry == NULL || *size < need) {
		*size = need;
		return BUFFER_TOO_SMALL;
	}
	if (entry->dwSize != sizeof *entry)
		return INVALID_SIZE;
	memset(entry, 0x5A, need); /* fields that must stay as they are */
	f = open_book(GENERIC_READ | GENERIC_WRITE);
	if (!ReadFile(f, entry, need, &got, NULL) || got == 0)
		entry->dwfOptions = RASEO_UseCountryAndAreaCodes;
	CloseHandle(f);
	entry->dwSize = sizeof *entry;
	return 0;
}

__declspec(dllexport) DWORD WINAPI RasSetEntryPropertiesW(LPCWSTR book, LPCWSTR name, LPRASENTRYW entry, DWORD size, LPBYTE device, DWORD n)
{
	HANDLE f;
	DWORD put;

	(void)book;
	if (lstrcmpW(name, L"Work") != 0 || device != NULL || n != 0)
		return CANNOT_FIND_PHONEBOOK_ENTRY;
	if (entry->dwSize != sizeof *entry || size != sizeof *entry + EXTRA || entry->dwCountryID != 0x5A5A5A5A || ((BYTE *)entry)[size - 1] != 0x5A)
		return INVALID_SIZE;
	f = open_book(GENERIC_WRITE);
	WriteFile(f, entry, size, &put, NULL);
	CloseHandle(f);
	return put == size ? 0 : ERROR_WRITE_FAULT;
}
