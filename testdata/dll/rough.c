/* DLLs that are rough with their process: how they end it, what they do to their
 * threads, handles and stack, and what else they pass to callbacks. One case for
 * each entry name, as in misbehave.c. */
#include <stdio.h>
#include <stdlib.h>
#include "script.h"

static PBYTE grab(RUN *r, DWORD size)
{
	PBYTE b = NULL;

	return r->get(&b, &size) == 0 ? b : NULL;
}

/* talk sends "echo" and receives an answer, to see that the line still works. */
static DWORD talk(RUN *r)
{
	HANDLE e = CreateEvent(NULL, TRUE, FALSE, NULL);
	PBYTE b = grab(r, 200);
	DWORD n, code;

	if (b == NULL)
		return CODE_UNKNOWN;
	memcpy(b, "echo", 4);
	code = r->send(r->port, b, 4);
	if (code == 0)
		code = r->receive(r->port, b, NULL, 10000, e);
	if (code == 0 && WaitForSingleObject(e, 12000) != WAIT_OBJECT_0)
		code = CODE_UNKNOWN;
	if (code == 0)
		code = r->retrieve(r->port, b, &n);
	if (code == 0 && n == 0)
		code = CODE_UNKNOWN;
	r->free(b);
	CloseHandle(e);
	return code;
}

/* Ends of the process. */

static DWORD exit_process(RUN *r)
{
	(void)r;
	ExitProcess(0);
}

static DWORD c_exit(RUN *r)
{
	(void)r;
	exit(0);
}

static DWORD terminate(RUN *r)
{
	(void)r;
	TerminateProcess(GetCurrentProcess(), 0);
	return 0;
}

static DWORD c_abort(RUN *r)
{
	(void)r;
	abort();
}

static DWORD illegal(RUN *r)
{
	(void)r;
	__asm__ volatile("ud2");
	return 0;
}

static DWORD division(RUN *r)
{
	volatile int many = 100, zero = 0;

	(void)r;
	return (DWORD)(many / zero);
}

static DWORD raise_own(RUN *r)
{
	(void)r;
	RaiseException(0xE0424242, EXCEPTION_NONCONTINUABLE, 0, NULL);
	return 0;
}

static int deeper(volatile char *above)
{
	volatile char frame[4096];

	frame[0] = above[0];
	return above[0] == 'x' ? deeper(frame) + frame[0] : 0;
}

static DWORD overflow(RUN *r)
{
	(void)r;
	return (DWORD)deeper("x");
}

static DWORD spin(RUN *r)
{
	volatile BOOL on = TRUE;

	(void)r;
	while (on)
		;
	return 0;
}

/* What a DLL may do to its process. */

static DWORD big_stack(RUN *r)
{
	volatile char b[700000];

	memset((void *)b, 1, sizeof b);
	return b[5] == 1 ? talk(r) : CODE_UNKNOWN;
}

static DWORD WINAPI talk_thread(void *p) { return talk(p); }

static DWORD small_stack(RUN *r)
{
	HANDLE t = CreateThread(NULL, 65536, talk_thread, r, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
	DWORD code;

	WaitForSingleObject(t, 30000);
	GetExitCodeThread(t, &code);
	return code;
}

static LONG CALLBACK handler(EXCEPTION_POINTERS *e)
{
	return e->ExceptionRecord->ExceptionCode == 0xE1234567 ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

static DWORD vectored(RUN *r)
{
	AddVectoredExceptionHandler(1, handler);
	RaiseException(0xE1234567, 0, 0, NULL);
	return talk(r);
}

static DWORD debug_output(RUN *r)
{
	OutputDebugStringA("a DLL");
	OutputDebugStringW(L"a DLL");
	return talk(r);
}

static DWORD bad_pointers(RUN *r)
{
	if (!IsBadReadPtr((void *)0x10, 4) || !IsBadWritePtr((void *)0x10, 4) || !IsBadStringPtrA((char *)0x10, 4))
		return CODE_UNKNOWN;
	return talk(r);
}

static DWORD floating_point(RUN *r)
{
	unsigned short control = 0x1332; /* exceptions unmasked */

	__asm__ volatile("fldcw %0" ::"m"(control));
	return talk(r);
}

static DWORD noise(RUN *r)
{
	static char b[4096];
	DWORD i, n;

	memset(b, 'x', sizeof b);
	for (i = 0; i < 500; i++) {
		WriteFile(GetStdHandle(STD_ERROR_HANDLE), b, sizeof b, &n, NULL);
		WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), b, sizeof b, &n, NULL);
	}
	return talk(r);
}

static DWORD close_handles(RUN *r)
{
	ULONG_PTR h;

	for (h = 4; h < 4096; h += 4)
		CloseHandle((HANDLE)h);
	return talk(r);
}

/* pipe_junk writes to every pipe that it finds. */
static DWORD pipe_junk(RUN *r)
{
	ULONG_PTR h;
	DWORD n;

	(void)r;
	for (h = 4; h < 2048; h += 4)
		if (GetFileType((HANDLE)h) == FILE_TYPE_PIPE)
			WriteFile((HANDLE)h, "\xff\xff\xff\xffjunkjunkjunk", 16, &n, NULL);
	return 0;
}

static DWORD WINAPI receive_thread(void *p)
{
	RUN *r = p;
	PBYTE b = grab(r, 10);

	return b == NULL ? CODE_UNKNOWN : r->receive(r->port, b, NULL, INFINITE, CreateEvent(NULL, TRUE, FALSE, NULL));
}

/* hogs has many threads post a receive: one succeeds. */
static DWORD hogs(RUN *r)
{
	HANDLE t[20];
	DWORD code;
	int i, good = 0;

	for (i = 0; i < 20; i++)
		t[i] = CreateThread(NULL, 0, receive_thread, r, 0, NULL);
	WaitForMultipleObjects(20, t, TRUE, 30000);
	for (i = 0; i < 20; i++) {
		GetExitCodeThread(t[i], &code);
		if (code == 0)
			good++;
		else if (code != 616)
			return code;
	}
	return good == 1 ? 0 : CODE_UNKNOWN;
}

static RUN kept;

static DWORD WINAPI busy_thread(void *unused)
{
	volatile BOOL on = TRUE;

	(void)unused;
	while (on) {
		PBYTE b = grab(&kept, 10);

		if (b != NULL)
			kept.send(kept.port, b, 1);
	}
	return 0;
}

/* busy leaves threads behind that go on with the callbacks. */
static DWORD busy(RUN *r)
{
	DWORD code = talk(r);
	int i;

	kept = *r;
	for (i = 0; i < 4; i++)
		CreateThread(NULL, 0, busy_thread, NULL, 0, NULL);
	return code;
}

/* Handles and addresses. */

static DWORD not_events(RUN *r)
{
	HANDLE sync, kinds[5];
	PBYTE b = grab(r, 64);
	int i;

	kinds[0] = CreateMutex(NULL, FALSE, NULL);
	kinds[1] = CreateSemaphore(NULL, 0, 1, NULL);
	kinds[2] = CreateWaitableTimer(NULL, TRUE, NULL);
	kinds[3] = GetCurrentThread();
	DuplicateHandle(GetCurrentProcess(), CreateEvent(NULL, TRUE, FALSE, NULL), GetCurrentProcess(), &sync, SYNCHRONIZE, FALSE, 0);
	kinds[4] = sync;
	for (i = 0; i < 5; i++)
		if (r->receive(r->port, b, NULL, 300, kinds[i]) != ERROR_INVALID_HANDLE)
			return CODE_UNKNOWN;
	return talk(r);
}

/* late_reset resets the event after the timeout has set it. */
static DWORD late_reset(RUN *r)
{
	HANDLE e = CreateEvent(NULL, TRUE, FALSE, NULL);
	PBYTE b = grab(r, 64);
	DWORD n = 9;

	r->receive(r->port, b, NULL, 100, e);
	WaitForSingleObject(e, INFINITE);
	ResetEvent(e);
	if (WaitForSingleObject(e, 100) != WAIT_TIMEOUT || r->retrieve(r->port, b, &n) != CODE_REQUEST_TIMEOUT)
		return CODE_UNKNOWN;
	return talk(r);
}

static DWORD guarded_size(RUN *r)
{
	PBYTE b = grab(r, 64), last = grab(r, 32);
	HANDLE e = CreateEvent(NULL, TRUE, FALSE, NULL);

	if (r->receive(r->port, b, (PDWORD)(last + 30), 100, e) != ERROR_INVALID_PARAMETER)
		return CODE_UNKNOWN;
	return r->receive(r->port, b, (PDWORD)(void *)GetModuleHandleA("ntdll.dll"), 100, e);
}

/* size_inside has the size stored in the buffer that it is the size of. */
static DWORD size_inside(RUN *r)
{
	HANDLE e = CreateEvent(NULL, TRUE, FALSE, NULL);
	PBYTE b = grab(r, 64), out = grab(r, 4);
	DWORD code = r->receive(r->port, b, (PDWORD)(void *)b, 10000, e);

	if (code != 0)
		return code;
	memcpy(out, "echo", 4);
	r->send(r->port, out, 4);
	WaitForSingleObject(e, INFINITE);
	code = r->retrieve(r->port, b, (PDWORD)(void *)b);
	return code != 0 ? code : *(DWORD *)(void *)b == 4 ? 0 : CODE_UNKNOWN;
}

static const char *detach = "";

static DWORD detach_hang(RUN *r)
{
	detach = "hang";
	return talk(r);
}

static DWORD detach_crash(RUN *r)
{
	detach = "crash";
	return talk(r);
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved)
{
	(void)instance;
	(void)reserved;
	if (reason == DLL_PROCESS_DETACH && strcmp(detach, "hang") == 0)
		Sleep(INFINITE);
	if (reason == DLL_PROCESS_DETACH && strcmp(detach, "crash") == 0)
		*(volatile int *)(ULONG_PTR)0x20 = 1;
	return TRUE;
}

static const struct {
	const WCHAR *name;
	DWORD (*run)(RUN *);
} cases[] = {
	{L"exit process", exit_process}, {L"exit", c_exit}, {L"terminate", terminate}, {L"abort", c_abort},
	{L"illegal instruction", illegal}, {L"division", division}, {L"own exception", raise_own}, {L"stack overflow", overflow},
	{L"spin", spin}, {L"big stack", big_stack}, {L"small stack", small_stack}, {L"vectored handler", vectored},
	{L"debug output", debug_output}, {L"bad pointers", bad_pointers}, {L"floating point", floating_point}, {L"noise", noise},
	{L"close handles", close_handles}, {L"pipe junk", pipe_junk}, {L"hogs", hogs}, {L"busy threads", busy},
	{L"not events", not_events}, {L"late reset", late_reset}, {L"guarded size", guarded_size}, {L"size inside", size_inside},
	{L"detach hang", detach_hang}, {L"detach crash", detach_crash},
};

DWORD script_main(RUN *r)
{
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (lstrcmpW(r->entry, cases[i].name) == 0)
			return cases[i].run(r);
	return ERROR_FILE_NOT_FOUND;
}
