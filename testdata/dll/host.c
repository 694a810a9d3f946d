/* host plays Windows RAS for a custom-scripting DLL: it dials by connecting to
 * a TCP address, calls RasCustomScriptExecute and prints what the DLL does.
 *
 *   host [flags] DLL HOST PORT
 *
 * -entry E, -user U and -password P are what is dialled.
 * -repeat N loads, runs and unloads the DLL N times, with a connection each.
 * -probe N loads and unloads the DLL N times first, without a call.
 * -plain leaves the extension structure out, as before Windows 2000 SP2.
 * -cancel MS sends IDCANCEL to the DLL's windows after MS milliseconds.
 * -hook E sends IDCANCEL to the DLL's window while it is created (3) or destroyed
 * (4), the codes of a CBT hook.
 * -quit N posts WM_QUIT before the call and looks for it afterwards.
 * -buffers N is how many buffers there are.
 * -fixed grants buffers of 1500 bytes, whatever is asked for.
 * -size N is the dwSize of RASDIALPARAMS.
 * -bad fills phone and callback number with what is no text.
 * -late MS is how long a receive takes that could complete at once.
 * -quiet prints only codes that are not 0, and at the end how many threads,
 * handles and KiB the process has gained since the tenth run.
 *
 * One line is printed for each callback, then "return CODE", the credentials
 * that the DLL left, and what it leaked. */
#include <winsock2.h>
#include <windows.h>
#include <psapi.h>
#include <tlhelp32.h>
#include <ras.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_HANDLE ((HANDLE)0x1234)
#define NBUFFERS 32

#define OUT_OF_BUFFERS 614
#define INVALID_PORT_HANDLE 601
#define BUFFER_INVALID 610
#define BUFFER_TOO_SMALL 603
#define PENDING_CODE 600
#define ASYNC_REQUEST_PENDING 616
#define REQUEST_TIMEOUT 638
#define REMOTE_DISCONNECTION 629

typedef struct {
	BYTE *memory;
	DWORD size;
} BUFFER;

/* One receive at a time, as in RAS. The lock guards everything here. */
static CRITICAL_SECTION lock;
static SOCKET line;
static BUFFER buffers[NBUFFERS];
static BYTE queue[65536];
static DWORD queued;
static BOOL hung_up;
static struct {
	BOOL posted, done, expired;
	BYTE *buffer;
	HANDLE event;
	DWORD deadline; /* in ticks; 0: none */
} rx;
static HANDLE room; /* signalled when the queue has room again */

static void trace(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static BOOL quiet, fixed;
static int nbuffers = NBUFFERS;
static DWORD late;

static BUFFER *find(BYTE *memory)
{
	int i;

	for (i = 0; i < NBUFFERS; i++)
		if (memory != NULL && buffers[i].memory == memory)
			return &buffers[i];
	return NULL;
}

static DWORD check(HANDLE port, BYTE *memory, BUFFER **b)
{
	if (port != PORT_HANDLE)
		return INVALID_PORT_HANDLE;
	*b = find(memory);
	return *b == NULL ? BUFFER_INVALID : 0;
}

static BOOL open_receive(void) { return rx.posted && !rx.done; }

/* finish completes an open receive. The lock is held. */
static void finish(void)
{
	if (!open_receive())
		return;
	rx.done = TRUE;
	SetEvent(rx.event);
}

static DWORD do_get(PBYTE *memory, PDWORD size)
{
	int i;

	if (memory == NULL || size == NULL)
		return ERROR_INVALID_PARAMETER;
	for (i = 0; i < nbuffers && buffers[i].memory != NULL; i++)
		;
	if (i == nbuffers)
		return OUT_OF_BUFFERS;
	if (fixed || *size == 0 || *size > 1500)
		*size = 1500;
	buffers[i].memory = *memory = calloc(1, *size);
	buffers[i].size = *size;
	return 0;
}

static DWORD WINAPI get(PBYTE *memory, PDWORD size)
{
	DWORD code;

	EnterCriticalSection(&lock);
	code = do_get(memory, size);
	if (!quiet)
		trace("RasGetBuffer size=%lu code=%lu", size ? *size : 0, code);
	LeaveCriticalSection(&lock);
	return code;
}

static DWORD do_release(BYTE *memory)
{
	BUFFER *b = find(memory);

	if (b == NULL)
		return BUFFER_INVALID;
	if (open_receive() && rx.buffer == memory)
		return ASYNC_REQUEST_PENDING;
	free(b->memory);
	b->memory = NULL;
	return 0;
}

static DWORD WINAPI release(PBYTE memory)
{
	DWORD code;

	EnterCriticalSection(&lock);
	code = do_release(memory);
	if (!quiet)
		trace("RasFreeBuffer code=%lu", code);
	LeaveCriticalSection(&lock);
	return code;
}

static DWORD do_send(HANDLE port, BYTE *memory, DWORD size)
{
	BUFFER *b;
	DWORD code = check(port, memory, &b);

	if (code != 0)
		return code;
	if (size > b->size)
		return BUFFER_TOO_SMALL;
	if (open_receive() && rx.buffer == memory)
		return ASYNC_REQUEST_PENDING;
	if (hung_up || send(line, (char *)memory, (int)size, 0) != (int)size)
		return REMOTE_DISCONNECTION;
	return 0;
}

static DWORD WINAPI send_buffer(HANDLE port, PBYTE memory, DWORD size)
{
	DWORD code;

	EnterCriticalSection(&lock);
	code = do_send(port, memory, size);
	if (!quiet)
		trace("RasSendBuffer size=%lu code=%lu", size, code);
	LeaveCriticalSection(&lock);
	return code;
}

static DWORD do_receive(HANDLE port, BYTE *memory, DWORD limit, HANDLE event)
{
	BUFFER *b;
	DWORD code = check(port, memory, &b);

	if (code != 0)
		return code;
	if (event == NULL)
		return ERROR_INVALID_HANDLE;
	if (open_receive())
		return ASYNC_REQUEST_PENDING;
	if (!ResetEvent(event))
		return ERROR_INVALID_HANDLE;
	rx.posted = TRUE;
	rx.done = rx.expired = FALSE;
	rx.buffer = memory;
	rx.event = event;
	rx.deadline = limit == 0 || limit == INFINITE ? 0 : GetTickCount() + limit;
	if ((queued > 0 || hung_up) && late == 0)
		finish();
	return 0;
}

static DWORD WINAPI receive(HANDLE port, PBYTE memory, PDWORD size, DWORD limit, HANDLE event)
{
	DWORD code;

	EnterCriticalSection(&lock);
	if (size != NULL)
		*size = 0;
	code = do_receive(port, memory, limit, event);
	if (!quiet)
		trace("RasReceiveBuffer timeout=%lu code=%lu", limit, code);
	LeaveCriticalSection(&lock);
	return code;
}

static DWORD do_retrieve(HANDLE port, BYTE *memory, DWORD *n)
{
	BUFFER *b;
	DWORD code = check(port, memory, &b);

	if (code != 0)
		return code;
	if (open_receive())
		return PENDING_CODE;
	if (!rx.posted)
		return ERROR_INVALID_PARAMETER;
	rx.posted = FALSE;
	if (rx.expired)
		return REQUEST_TIMEOUT;
	if (queued == 0)
		return REMOTE_DISCONNECTION;
	*n = queued < b->size ? queued : b->size;
	memcpy(memory, queue, *n);
	queued -= *n;
	memmove(queue, queue + *n, queued);
	SetEvent(room);
	return 0;
}

static DWORD WINAPI retrieve(HANDLE port, PBYTE memory, PDWORD size)
{
	DWORD code, n = 0;

	EnterCriticalSection(&lock);
	code = size == NULL ? ERROR_INVALID_PARAMETER : do_retrieve(port, memory, &n);
	if (size != NULL)
		*size = n;
	if (!quiet)
		trace("RasRetrieveBuffer size=%lu code=%lu", n, code);
	LeaveCriticalSection(&lock);
	return code;
}

static DWORD WINAPI set_comm(HANDLE port, RASCOMMSETTINGS *s, PVOID reserved)
{
	DWORD code = 0;

	if (port != PORT_HANDLE)
		code = INVALID_PORT_HANDLE;
	else if (s == NULL || reserved != NULL)
		code = ERROR_INVALID_PARAMETER;
	EnterCriticalSection(&lock);
	if (!quiet)
		trace("RasSetCommSettings code=%lu", code);
	LeaveCriticalSection(&lock);
	return code;
}

/* read_line fills the queue and stops while it is full. */
static DWORD WINAPI read_line(void *unused)
{
	static BYTE piece[4096];
	int n;

	(void)unused;
	do {
		n = recv(line, (char *)piece, sizeof piece, 0);
		EnterCriticalSection(&lock);
		while (n > 0 && queued + n > sizeof queue) {
			LeaveCriticalSection(&lock);
			WaitForSingleObject(room, INFINITE);
			EnterCriticalSection(&lock);
		}
		if (n > 0) {
			memcpy(queue + queued, piece, n);
			queued += n;
		} else {
			hung_up = TRUE;
		}
		if (late == 0)
			finish();
		LeaveCriticalSection(&lock);
	} while (n > 0);
	return 0;
}

/* keep_time expires receives. */
static DWORD WINAPI keep_time(void *unused)
{
	(void)unused;
	for (;;) {
		Sleep(late > 0 ? late : 5);
		EnterCriticalSection(&lock);
		if (late > 0 && (queued > 0 || hung_up))
			finish();
		if (open_receive() && rx.deadline != 0 && (LONG)(GetTickCount() - rx.deadline) >= 0) {
			rx.expired = TRUE;
			finish();
		}
		LeaveCriticalSection(&lock);
	}
	return 0;
}

static SOCKET dial(const char *host, const char *port)
{
	struct sockaddr_in a;
	SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
	BOOL on = TRUE;

	memset(&a, 0, sizeof a);
	a.sin_family = AF_INET;
	a.sin_port = htons((u_short)atoi(port));
	a.sin_addr.s_addr = inet_addr(host);
	if (connect(s, (struct sockaddr *)&a, sizeof a) != 0) {
		fprintf(stderr, "host: cannot connect: error %d\n", WSAGetLastError());
		exit(2);
	}
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (char *)&on, sizeof on);
	return s;
}

/* The main thread has the window and its messages; the DLL runs beside it. */

static struct {
	RasCustomScriptExecuteFn execute;
	WCHAR entry[257];
	HWND window;
	RASDIALPARAMSW params;
	RASCUSTOMSCRIPTEXTENSIONS ext;
	BOOL plain;
	int quit, hook;
} job;

static LRESULT CALLBACK window_event(int code, WPARAM w, LPARAM l)
{
	WCHAR class[32] = L"";

	GetClassNameW((HWND)w, class, 32);
	if (code == job.hook && lstrcmpW(class, L"rasline script") == 0) {
		trace("hook %d", code);
		SendMessageW((HWND)w, WM_COMMAND, IDCANCEL, 0);
	}
	return CallNextHookEx(NULL, code, w, l);
}

static DWORD WINAPI execute(void *unused)
{
	DWORD code;
	HWND window = job.window;
	MSG m;

	(void)unused;
	if (job.hook != 0)
		SetWindowsHookExW(WH_CBT, window_event, NULL, GetCurrentThreadId());
	if (job.quit != 0) {
		window = CreateWindowExW(0, L"STATIC", L"host", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL);
		PostQuitMessage(job.quit);
	}
	code = job.execute(PORT_HANDLE, L"C:\\rasphone.pbk", job.entry, get, release, send_buffer, receive, retrieve,
		window, (RASDIALPARAMS *)&job.params, job.plain ? NULL : &job.ext);
	if (job.quit != 0)
		trace("WM_QUIT %d", PeekMessageW(&m, NULL, WM_QUIT, WM_QUIT, PM_REMOVE) ? (int)m.wParam : 0);
	return code;
}

static BOOL CALLBACK cancel_window(HWND w, LPARAM unused)
{
	(void)unused;
	if (GetWindow(w, GW_OWNER) == job.window) {
		trace("IDCANCEL");
		PostMessageW(w, WM_COMMAND, IDCANCEL, 0);
	}
	return TRUE;
}

static void wait_for(HANDLE thread, DWORD cancel)
{
	DWORD start = GetTickCount();
	BOOL sent = cancel == 0;

	while (MsgWaitForMultipleObjects(1, &thread, FALSE, sent ? INFINITE : 20, QS_ALLINPUT) != WAIT_OBJECT_0) {
		MSG m;

		while (PeekMessageW(&m, NULL, 0, 0, PM_REMOVE))
			DispatchMessageW(&m);
		if (!sent && GetTickCount() - start >= cancel) {
			sent = TRUE;
			EnumWindows(cancel_window, 0);
		}
	}
}

static void show(const char *name, const WCHAR *text)
{
	char utf8[1024];

	WideCharToMultiByte(CP_UTF8, 0, text, -1, utf8, sizeof utf8, NULL, NULL);
	trace("%s %s", name, utf8);
}

static void run_once(const char *path, const char *host, const char *port, DWORD cancel)
{
	RASDIALPARAMSW before = job.params;
	HMODULE dll;
	HANDLE reader, script;
	DWORD code = 0;
	int i, leaks = 0;

	line = dial(host, port);
	queued = 0;
	hung_up = FALSE;
	memset(&rx, 0, sizeof rx);
	dll = LoadLibraryA(path);
	job.execute = dll == NULL ? NULL : (RasCustomScriptExecuteFn)(void (*)(void))GetProcAddress(dll, "RasCustomScriptExecute");
	if (job.execute == NULL) {
		fprintf(stderr, "host: cannot use %s: error %lu\n", path, GetLastError());
		exit(2);
	}
	reader = CreateThread(NULL, 0, read_line, NULL, 0, NULL);
	script = CreateThread(NULL, 0, execute, NULL, 0, NULL);
	wait_for(script, cancel);
	GetExitCodeThread(script, &code);
	EnterCriticalSection(&lock);
	rx.posted = FALSE;
	for (i = 0; i < NBUFFERS; i++)
		if (buffers[i].memory != NULL) {
			leaks++;
			free(buffers[i].memory);
			buffers[i].memory = NULL;
		}
	queued = 0;
	SetEvent(room);
	LeaveCriticalSection(&lock);
	if (!quiet || code != 0)
		trace("return %lu", code);
	if (!quiet) {
		show("user", job.params.szUserName);
		show("password", job.params.szPassword);
		show("domain", job.params.szDomain);
		trace("leaks %d", leaks);
	}
	FreeLibrary(dll);
	shutdown(line, SD_BOTH);
	closesocket(line);
	WaitForSingleObject(reader, INFINITE);
	CloseHandle(reader);
	CloseHandle(script);
	job.params = before;
}

/* What the process has. */
typedef struct {
	DWORD threads, handles;
	SIZE_T memory; /* KiB */
} USE;

static USE use(void)
{
	USE u = {0, 0, 0};
	THREADENTRY32 t;
	PROCESS_MEMORY_COUNTERS m;
	HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);

	t.dwSize = sizeof t;
	if (Thread32First(all, &t))
		do
			u.threads += t.th32OwnerProcessID == GetCurrentProcessId();
		while (Thread32Next(all, &t));
	CloseHandle(all);
	GetProcessHandleCount(GetCurrentProcess(), &u.handles);
	GetProcessMemoryInfo(GetCurrentProcess(), &m, sizeof m);
	u.memory = m.WorkingSetSize / 1024;
	return u;
}

/* probe loads and frees the DLL. What the DLL has started goes on, and would
 * fault some time after the DLL was unloaded. */
static void probe(const char *path)
{
	HMODULE dll = LoadLibraryA(path);
	BOOL found = dll != NULL && GetProcAddress(dll, "RasCustomScriptExecute") != NULL;

	FreeLibrary(dll);
	trace("probe %s", !found ? "failed" : GetModuleHandleA(path) != NULL ? "stays" : "unloaded");
	Sleep(50);
}

static void set_text(WCHAR *field, int units, const char *text)
{
	MultiByteToWideChar(CP_UTF8, 0, text, -1, field, units);
}

int main(int argc, char **argv)
{
	WSADATA wsa;
	DWORD cancel = 0;
	int i, n, repeat = 1, probes = 0;
	BOOL bad = FALSE;
	USE first = {0, 0, 0}, last;

	job.params.dwSize = sizeof job.params;
	job.ext.dwSize = sizeof job.ext;
	job.ext.pfnRasSetCommSettings = set_comm;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-entry") == 0)
			set_text(job.entry, 257, argv[++i]);
		else if (strcmp(argv[i], "-user") == 0)
			set_text(job.params.szUserName, 257, argv[++i]);
		else if (strcmp(argv[i], "-password") == 0)
			set_text(job.params.szPassword, 257, argv[++i]);
		else if (strcmp(argv[i], "-repeat") == 0)
			repeat = atoi(argv[++i]);
		else if (strcmp(argv[i], "-cancel") == 0)
			cancel = (DWORD)atoi(argv[++i]);
		else if (strcmp(argv[i], "-plain") == 0)
			job.plain = TRUE;
		else if (strcmp(argv[i], "-probe") == 0)
			probes = atoi(argv[++i]);
		else if (strcmp(argv[i], "-quit") == 0)
			job.quit = atoi(argv[++i]);
		else if (strcmp(argv[i], "-hook") == 0)
			job.hook = atoi(argv[++i]);
		else if (strcmp(argv[i], "-buffers") == 0)
			nbuffers = atoi(argv[++i]);
		else if (strcmp(argv[i], "-fixed") == 0)
			fixed = TRUE;
		else if (strcmp(argv[i], "-size") == 0)
			job.params.dwSize = (DWORD)atoi(argv[++i]);
		else if (strcmp(argv[i], "-bad") == 0)
			bad = TRUE;
		else if (strcmp(argv[i], "-late") == 0)
			late = (DWORD)atoi(argv[++i]);
		else if (strcmp(argv[i], "-quiet") == 0)
			quiet = TRUE;
	}
	if (argc - i != 3) {
		fprintf(stderr, "usage: host [flags] DLL HOST PORT\n");
		return 2;
	}
	lstrcpyW(job.params.szEntryName, job.entry);
	for (n = 0; bad && n < 129; n++) {
		job.params.szPhoneNumber[n] = '5';
		job.params.szCallbackNumber[n] = 0xD800;
	}
	WSAStartup(MAKEWORD(2, 2), &wsa);
	InitializeCriticalSection(&lock);
	room = CreateEvent(NULL, FALSE, FALSE, NULL);
	job.window = CreateWindowExW(0, L"STATIC", L"rasdlg", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL);
	CreateThread(NULL, 0, keep_time, NULL, 0, NULL);
	while (probes-- > 0)
		probe(argv[i]);
	for (n = 1; n <= repeat; n++) {
		run_once(argv[i], argv[i + 1], argv[i + 2], cancel);
		if (n == 10)
			first = use();
	}
	last = use();
	if (quiet)
		trace("threads %d handles %d memory %d", (int)(last.threads - first.threads), (int)(last.handles - first.handles),
			(int)(last.memory - first.memory));
	return 0;
}
