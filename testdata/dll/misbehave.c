/* Everything a script can do wrong, one case for each entry name. A case
 * returns the code that the callback at fault gave it, or 0 where the host is
 * expected to put up with it. */
#include <stdio.h>
#include "script.h"

static PBYTE grab(RUN *r, DWORD size)
{
	PBYTE b = NULL;

	return r->get(&b, &size) == 0 ? b : NULL;
}

/* take posts a receive, waits for the event and retrieves. */
static DWORD take(RUN *r, PBYTE b, DWORD limit, DWORD *n)
{
	HANDLE e = CreateEvent(NULL, FALSE, FALSE, NULL);
	DWORD code = r->receive(r->port, b, NULL, limit, e);

	if (code == 0) {
		WaitForSingleObject(e, INFINITE);
		code = r->retrieve(r->port, b, n);
	}
	CloseHandle(e);
	return code;
}

static DWORD say(RUN *r, const char *text)
{
	PBYTE b = grab(r, (DWORD)strlen(text));
	DWORD code;

	memcpy(b, text, strlen(text));
	code = r->send(r->port, b, (DWORD)strlen(text));
	r->free(b);
	return code;
}

/* Buffers. */

static DWORD double_free(RUN *r)
{
	PBYTE b = grab(r, 100);

	r->free(b);
	return r->free(b);
}

static DWORD foreign_free(RUN *r)
{
	BYTE own[16];

	return r->free(own);
}

static DWORD null_free(RUN *r) { return r->free(NULL); }

static DWORD interior_free(RUN *r) { return r->free(grab(r, 100) + 1); }

static DWORD foreign_send(RUN *r)
{
	BYTE own[16] = "own memory";

	return r->send(r->port, own, 10);
}

static DWORD send_too_much(RUN *r) { return r->send(r->port, grab(r, 10), 11); }

static DWORD oversize_request(RUN *r)
{
	DWORD size = 60000;
	PBYTE b;
	DWORD code = r->get(&b, &size);

	return code != 0 ? code : size == 1500 ? 0 : CODE_UNKNOWN;
}

static DWORD zero_request(RUN *r)
{
	DWORD size = 0;
	PBYTE b;
	DWORD code = r->get(&b, &size);

	return code != 0 ? code : size == 1500 ? 0 : CODE_UNKNOWN;
}

static DWORD null_get(RUN *r)
{
	DWORD size = 10;

	return r->get(NULL, &size);
}

static DWORD wild_get(RUN *r)
{
	PBYTE b;

	return r->get(&b, (PDWORD)1);
}

static DWORD leak(RUN *r)
{
	int i;

	for (i = 0; i < 5; i++)
		if (grab(r, 100) == NULL)
			return CODE_UNKNOWN;
	return 0;
}

static DWORD exhaust(RUN *r)
{
	DWORD size, code;
	PBYTE b;

	do {
		size = 1;
		code = r->get(&b, &size);
	} while (code == 0);
	return code;
}

static DWORD churn(RUN *r)
{
	PBYTE last = NULL;
	int i;

	for (i = 0; i < 300; i++) {
		PBYTE b = grab(r, 700);

		if (b == NULL || b == last || b[0] != 0)
			return CODE_UNKNOWN;
		b[0] = 1;
		last = b;
		if (r->free(b) != 0)
			return CODE_UNKNOWN;
	}
	return 0;
}

/* Receiving. */

static DWORD wrong_port(RUN *r) { return r->send((HANDLE)((ULONG_PTR)r->port + 1), grab(r, 10), 1); }

static DWORD wrong_port_first(RUN *r) { return r->send(NULL, NULL, 9999); }

static DWORD retrieve_early(RUN *r)
{
	PBYTE b = grab(r, 100);
	DWORD n = 99, code;

	r->receive(r->port, b, NULL, INFINITE, CreateEvent(NULL, FALSE, FALSE, NULL));
	code = r->retrieve(r->port, b, &n);
	return n == 0 ? code : CODE_UNKNOWN;
}

static DWORD retrieve_unposted(RUN *r)
{
	DWORD n;

	return r->retrieve(r->port, grab(r, 100), &n);
}

static DWORD second_receive(RUN *r)
{
	HANDLE e = CreateEvent(NULL, FALSE, FALSE, NULL);
	PBYTE b = grab(r, 100);

	r->receive(r->port, b, NULL, INFINITE, e);
	return r->receive(r->port, b, NULL, INFINITE, e);
}

static DWORD free_pending(RUN *r)
{
	PBYTE b = grab(r, 100);

	r->receive(r->port, b, NULL, INFINITE, CreateEvent(NULL, FALSE, FALSE, NULL));
	return r->free(b);
}

static DWORD send_pending(RUN *r)
{
	PBYTE b = grab(r, 100);

	r->receive(r->port, b, NULL, INFINITE, CreateEvent(NULL, FALSE, FALSE, NULL));
	return r->send(r->port, b, 1);
}

static DWORD null_event(RUN *r) { return r->receive(r->port, grab(r, 100), NULL, 100, NULL); }

/* stale_event passes a handle that is no object's. That of an event just closed
 * would do, if no other thread made something that got its number. */
static DWORD stale_event(RUN *r) { return r->receive(r->port, grab(r, 100), NULL, 100, (HANDLE)(ULONG_PTR)0x7FFFFFF0); }

static DWORD file_as_event(RUN *r)
{
	HANDLE f = CreateFileA("NUL", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);

	return r->receive(r->port, grab(r, 100), NULL, 100, f);
}

static DWORD null_size(RUN *r)
{
	HANDLE e = CreateEvent(NULL, FALSE, FALSE, NULL);
	PBYTE b = grab(r, 100);

	r->receive(r->port, b, NULL, 10, e);
	WaitForSingleObject(e, INFINITE);
	return r->retrieve(r->port, b, NULL);
}

static DWORD time_out(RUN *r)
{
	DWORD n = 99;
	DWORD code = take(r, grab(r, 100), 50, &n);

	return n == 0 ? code : CODE_UNKNOWN;
}

static DWORD live_on(RUN *r)
{
	PBYTE b = grab(r, 100);
	DWORD n;

	if (take(r, b, 20, &n) != CODE_REQUEST_TIMEOUT)
		return CODE_UNKNOWN;
	say(r, "echo");
	return take(r, b, 10000, &n);
}

/* hang_up waits without limit for a server that hangs up. */
static DWORD hang_up(RUN *r)
{
	PBYTE b = grab(r, 100);
	DWORD n;

	say(r, "bye");
	return take(r, b, INFINITE, &n);
}

/* small_buffer takes a long answer in small pieces and counts it. */
static DWORD small_buffer(RUN *r)
{
	PBYTE b = grab(r, 7);
	DWORD n, total = 0;

	say(r, "more");
	while (total < 100) {
		DWORD i, code = take(r, b, 10000, &n);

		if (code != 0)
			return code;
		for (i = 0; i < n; i++)
			if (b[i] != (BYTE)('a' + (total + i) % 26))
				return CODE_UNKNOWN;
		total += n;
	}
	return total == 100 ? 0 : CODE_UNKNOWN;
}

/* manual_event uses one manual-reset event that is set already. */
static DWORD manual_event(RUN *r)
{
	HANDLE e = CreateEvent(NULL, TRUE, TRUE, NULL);
	PBYTE b = grab(r, 100);
	DWORD n, code;

	r->receive(r->port, b, NULL, 10000, e);
	if (WaitForSingleObject(e, 0) != WAIT_TIMEOUT)
		return CODE_UNKNOWN;
	say(r, "echo");
	WaitForSingleObject(e, INFINITE);
	code = r->retrieve(r->port, b, &n);
	CloseHandle(e);
	return code;
}

/* size_later looks whether the size of a receive is written behind its back. */
static DWORD size_later(RUN *r)
{
	HANDLE e = CreateEvent(NULL, FALSE, FALSE, NULL);
	PBYTE b = grab(r, 100);
	DWORD size = 5, n;

	r->receive(r->port, b, &size, 10000, e);
	if (size != 0)
		return CODE_UNKNOWN;
	size = 77;
	say(r, "echo");
	WaitForSingleObject(e, INFINITE);
	if (size != 77 || b[0] != 0)
		return CODE_UNKNOWN;
	return r->retrieve(r->port, b, &n);
}

/* event_closed gives up a wait, closes its event and makes others, one of which
 * gets the old number. None of them may be signalled. */
static DWORD event_closed(RUN *r)
{
	HANDLE e = CreateEvent(NULL, FALSE, FALSE, NULL), again[8];
	PBYTE b = grab(r, 100);
	DWORD n, code = 0;
	int i;

	r->receive(r->port, b, NULL, INFINITE, e);
	CloseHandle(e);
	for (i = 0; i < 8; i++)
		again[i] = CreateEvent(NULL, TRUE, FALSE, NULL);
	say(r, "echo");
	if (WaitForMultipleObjects(8, again, FALSE, 300) != WAIT_TIMEOUT)
		code = CODE_UNKNOWN;
	for (i = 0; i < 8; i++)
		CloseHandle(again[i]);
	return code != 0 ? code : r->retrieve(r->port, b, &n);
}

/* leave_pending returns with a receive posted and its event closed. */
static DWORD leave_pending(RUN *r)
{
	HANDLE e = CreateEvent(NULL, FALSE, FALSE, NULL);

	r->receive(r->port, grab(r, 100), NULL, INFINITE, e);
	CloseHandle(e);
	return 0;
}

/* Threads. */

static DWORD WINAPI thread_main(void *p)
{
	RUN *r = p;
	int i;

	for (i = 0; i < 50; i++) {
		PBYTE b = grab(r, 64);

		if (b == NULL)
			return CODE_UNKNOWN;
		memset(b, 'x', 64);
		if (r->send(r->port, b, 64) != 0 || r->free(b) != 0)
			return CODE_UNKNOWN;
	}
	return 0;
}

static DWORD threads(RUN *r)
{
	HANDLE t[4];
	DWORD code, worst = 0;
	int i;

	for (i = 0; i < 4; i++)
		t[i] = CreateThread(NULL, 0, thread_main, r, 0, NULL);
	WaitForMultipleObjects(4, t, TRUE, INFINITE);
	for (i = 0; i < 4; i++) {
		GetExitCodeThread(t[i], &code);
		if (code != 0)
			worst = code;
		CloseHandle(t[i]);
	}
	return worst;
}

/* Crashes and the like. */

static DWORD crash(RUN *r)
{
	(void)r;
	*(volatile int *)0 = 1;
	return 0;
}

static DWORD overrun(RUN *r)
{
	grab(r, 112)[112] = 'x';
	return 0;
}

static DWORD use_after_free(RUN *r)
{
	PBYTE b = grab(r, 100);

	r->free(b);
	b[0] = 'x';
	return 0;
}

static DWORD params_overrun(RUN *r)
{
	memset(r->params, 'x', r->params->dwSize + 16);
	return 0;
}

static DWORD leave_process(RUN *r)
{
	(void)r;
	ExitProcess(3);
	return 0;
}

static DWORD hang(RUN *r)
{
	(void)r;
	Sleep(INFINITE);
	return 0;
}

static DWORD say_hang(RUN *r)
{
	say(r, "hanging");
	return hang(r);
}

static DWORD print(RUN *r)
{
	DWORD n;

	(void)r;
	puts("a DLL that prints to standard output");
	fflush(stdout);
	WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "again", 5, &n, NULL);
	return 0;
}

static DWORD leave_thread(RUN *r)
{
	(void)r;
	ExitThread(5);
}

static DWORD minus_one(RUN *r)
{
	(void)r;
	ExitProcess((UINT)-1);
}

static DWORD breakpoint(RUN *r)
{
	(void)r;
	DebugBreak();
	return 0;
}

/* windows_code returns what only winerror.h knows. */
static DWORD windows_code(RUN *r)
{
	(void)r;
	return ERROR_PATH_NOT_FOUND;
}

/* start_program starts a program that ends only when it is ended, which inherits
 * what can be inherited, and sends its process id. */
static DWORD start_program(RUN *r)
{
	STARTUPINFOA si;
	PROCESS_INFORMATION pi;
	char command[512], text[32];

	memset(&si, 0, sizeof si);
	si.cb = sizeof si;
	if (GetEnvironmentVariableA("RASLINE_TESTPROGRAM", command, sizeof command) == 0 ||
		!CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &si, &pi))
		return CODE_UNKNOWN;
	sprintf(text, "%lu", pi.dwProcessId);
	return say(r, text);
}

/* Addresses, sizes and versions. */

static const DWORD constant = 77;

static DWORD constant_size(RUN *r)
{
	PBYTE b;
	DWORD code = r->get(&b, (PDWORD)&constant);

	return *(volatile const DWORD *)&constant == 77 ? code : CODE_UNKNOWN;
}

static DWORD constant_pointer(RUN *r)
{
	DWORD size = 10, code = r->get((PBYTE *)&constant, &size);

	return *(volatile const DWORD *)&constant == 77 && size == 10 ? code : CODE_UNKNOWN;
}

static DWORD code_pointer(RUN *r)
{
	DWORD size = 10;

	return r->get((PBYTE *)(ULONG_PTR)constant_pointer, &size);
}

static DWORD aligned(RUN *r)
{
	static const DWORD sizes[] = {1500, 255, 100, 81, 13, 1};
	size_t i;

	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		if ((ULONG_PTR)grab(r, sizes[i]) % 16 != 0)
			return CODE_UNKNOWN;
	return 0;
}

/* small_overrun writes so little past the end that alignment hides it. */
static DWORD small_overrun(RUN *r)
{
	PBYTE b = grab(r, 100), c = grab(r, 100);

	b[100] = 'x';
	c[103] = 'x';
	r->free(b);
	return 0;
}

static DWORD windows_2000(RUN *r) { return r->params->dwSize == 2100 + sizeof(void *) ? 0 : CODE_INVALID_SIZE; }

static DWORD windows_nt4(RUN *r) { return r->params->dwSize == 2096 ? 0 : CODE_INVALID_SIZE; }

static DWORD lose_size(RUN *r)
{
	r->params->dwSize = 0xFFFFFFFF;
	lstrcpyW(r->params->szUserName, L"new name");
	return 0;
}

/* A script that shows a window has to handle IDCANCEL. */

static LRESULT CALLBACK window_proc(HWND w, UINT message, WPARAM wp, LPARAM lp)
{
	if (message == WM_COMMAND && LOWORD(wp) == IDCANCEL)
		PostQuitMessage(0);
	return DefWindowProcW(w, message, wp, lp);
}

static DWORD main_thread;

static DWORD window(RUN *r)
{
	WNDCLASSW class;
	MSG m;

	memset(&class, 0, sizeof class);
	class.lpfnWndProc = window_proc;
	class.lpszClassName = L"vendor login";
	RegisterClassW(&class);
	if (CreateWindowExW(0, class.lpszClassName, L"login", 0, 0, 0, 0, 0, r->window, NULL, NULL, NULL) == NULL)
		return CODE_UNKNOWN;
	if (GetCurrentThreadId() == main_thread)
		say(r, "window");
	while (GetMessageW(&m, NULL, 0, 0) > 0)
		DispatchMessageW(&m);
	return ERROR_CANCELLED;
}

/* late_window opens its window some time after the callbacks have begun to
 * fail. */
static DWORD late_window(RUN *r)
{
	DWORD n;

	say(r, "window");
	if (take(r, grab(r, 10), INFINITE, &n) == 0)
		return CODE_UNKNOWN;
	Sleep(300);
	return window(r);
}

static DWORD WINAPI window_thread(void *p) { return window(p); }

/* thread_window has its window on a thread of its own. */
static DWORD thread_window(RUN *r)
{
	DWORD code;
	HANDLE t = CreateThread(NULL, 0, window_thread, r, 0, NULL);

	say(r, "window");
	WaitForSingleObject(t, INFINITE);
	GetExitCodeThread(t, &code);
	return code;
}

/* shown looks whether the first window of the process would stay hidden. */
static DWORD shown(RUN *r)
{
	STARTUPINFOW si;

	(void)r;
	GetStartupInfoW(&si);
	return si.dwFlags & STARTF_USESHOWWINDOW ? CODE_UNKNOWN : 0;
}

/* Settings and credentials. */

static DWORD comm(RUN *r, DWORD size, BYTE parity, BYTE stop, BYTE bits, PVOID reserved)
{
	RASCOMMSETTINGS s;

	s.dwSize = size;
	s.bParity = parity;
	s.bStop = stop;
	s.bByteSize = bits;
	s.bAlign = 0;
	return r->setcomm(r->port, &s, reserved);
}

static DWORD comm_good(RUN *r) { return comm(r, 8, 2, 0, 7, NULL); }
static DWORD comm_size(RUN *r) { return comm(r, 12, 0, 0, 8, NULL); }
static DWORD comm_values(RUN *r) { return comm(r, 8, 9, 0, 8, NULL); }
static DWORD comm_pair(RUN *r) { return comm(r, 8, 0, 2, 5, NULL); }
static DWORD comm_reserved(RUN *r) { return comm(r, 8, 0, 0, 8, r); }
static DWORD comm_null(RUN *r) { return r->setcomm(r->port, NULL, NULL); }

static DWORD comm_port(RUN *r)
{
	RASCOMMSETTINGS s = {8, 0, 0, 8, 0};

	return r->setcomm(NULL, &s, NULL);
}

static DWORD credentials(RUN *r)
{
	lstrcpyW(r->params->szUserName, L"new name");
	lstrcpyW(r->params->szPassword, L"new password");
	lstrcpyW(r->params->szDomain, L"NEW");
	lstrcpyW(r->params->szPhoneNumber, L"not mine to write");
	return 0;
}

static DWORD credentials_failed(RUN *r)
{
	credentials(r);
	return CODE_AUTHENTICATION_FAILURE;
}

static DWORD unterminated(RUN *r)
{
	int i;

	for (i = 0; i < 257; i++)
		r->params->szPassword[i] = 'x';
	return 0;
}

static DWORD own_code(RUN *r)
{
	(void)r;
	return 700;
}

static const struct {
	const WCHAR *name;
	DWORD (*run)(RUN *);
} cases[] = {
	{L"double free", double_free}, {L"foreign free", foreign_free}, {L"null free", null_free},
	{L"interior free", interior_free}, {L"foreign send", foreign_send}, {L"send too much", send_too_much},
	{L"oversize request", oversize_request}, {L"zero request", zero_request}, {L"null get", null_get},
	{L"wild get", wild_get}, {L"leak", leak}, {L"exhaust", exhaust}, {L"churn", churn},
	{L"wrong port", wrong_port}, {L"wrong port first", wrong_port_first}, {L"retrieve early", retrieve_early},
	{L"retrieve unposted", retrieve_unposted}, {L"second receive", second_receive},
	{L"free pending", free_pending}, {L"send pending", send_pending}, {L"null event", null_event},
	{L"stale event", stale_event}, {L"file as event", file_as_event}, {L"null size", null_size},
	{L"time-out", time_out}, {L"live on", live_on}, {L"hang up", hang_up}, {L"small buffer", small_buffer},
	{L"manual event", manual_event}, {L"size later", size_later}, {L"event closed", event_closed},
	{L"leave pending", leave_pending}, {L"threads", threads}, {L"crash", crash}, {L"overrun", overrun}, {L"use after free", use_after_free},
	{L"params overrun", params_overrun}, {L"exit", leave_process}, {L"hang", hang}, {L"say hang", say_hang},
	{L"print", print}, {L"window", window}, {L"comm good", comm_good}, {L"comm size", comm_size}, {L"comm values", comm_values},
	{L"comm pair", comm_pair}, {L"comm reserved", comm_reserved}, {L"comm null", comm_null},
	{L"comm port", comm_port}, {L"credentials", credentials}, {L"credentials failed", credentials_failed},
	{L"unterminated", unterminated}, {L"own code", own_code},
	{L"exit thread", leave_thread}, {L"exit -1", minus_one}, {L"breakpoint", breakpoint}, {L"windows code", windows_code},
	{L"start program", start_program}, {L"constant size", constant_size}, {L"constant pointer", constant_pointer},
	{L"code pointer", code_pointer}, {L"aligned", aligned}, {L"small overrun", small_overrun},
	{L"windows 2000", windows_2000}, {L"windows nt4", windows_nt4}, {L"lose size", lose_size},
	{L"late window", late_window}, {L"thread window", thread_window}, {L"shown", shown},
};

DWORD script_main(RUN *r)
{
	size_t i;

	main_thread = GetCurrentThreadId();
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (lstrcmpW(r->entry, cases[i].name) == 0)
			return cases[i].run(r);
	return ERROR_FILE_NOT_FOUND;
}
