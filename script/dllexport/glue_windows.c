//go:build windows && cgo

#include "glue_windows.h"

DWORD rasline_get(rasline_args *a, PBYTE *buffer, DWORD *size) { return a->get(buffer, size); }

DWORD rasline_free(rasline_args *a, PBYTE buffer) { return a->release(buffer); }

DWORD rasline_send(rasline_args *a, PBYTE buffer, DWORD size) { return a->send(a->port, buffer, size); }

DWORD rasline_receive(rasline_args *a, PBYTE buffer, DWORD *size, DWORD ms, uintptr_t event)
{
	return a->receive(a->port, buffer, size, ms, (HANDLE)event);
}

DWORD rasline_retrieve(rasline_args *a, PBYTE buffer, DWORD *size) { return a->retrieve(a->port, buffer, size); }

DWORD rasline_set_comm(rasline_args *a, void *settings)
{
	return a->setcomm == NULL ? ERROR_NOT_SUPPORTED : a->setcomm(a->port, settings, NULL);
}

HMODULE rasline_module(DWORD flags)
{
	HMODULE m = NULL;

	flags |= GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
	return GetModuleHandleExW(flags, (LPCWSTR)(void *)rasline_module, &m) ? m : NULL;
}

/* The Go runtime starts threads when the DLL is loaded and cannot be unloaded
 * (golang.org/issue/11100): a host that loads and frees the DLL without a call
 * would end with a fault. */
__attribute__((constructor)) static void pin(void)
{
	rasline_module(GET_MODULE_HANDLE_EX_FLAG_PIN);
}

/* The Go side: start returns the number of a run, cancel is what IDCANCEL does,
 * and finish waits for the end and returns the code. */
static struct {
	uintptr_t(WINAPI *start)(rasline_args *a);
	uintptr_t(WINAPI *cancel)(uintptr_t run);
	uintptr_t(WINAPI *finish)(uintptr_t run);
} go;

/* ready_event returns the event that is set when go is; whichever side comes
 * first makes it. */
static HANDLE ready_event(void)
{
	static PVOID volatile event;
	HANDLE made;

	if (event == NULL) {
		made = CreateEventW(NULL, TRUE, FALSE, NULL);
		if (made != NULL && InterlockedCompareExchangePointer(&event, made, NULL) != NULL)
			CloseHandle(made);
	}
	return event;
}

void rasline_ready(uintptr_t start, uintptr_t cancel, uintptr_t finish)
{
	go.start = (uintptr_t(WINAPI *)(rasline_args *))start;
	go.cancel = (uintptr_t(WINAPI *)(uintptr_t))cancel;
	go.finish = (uintptr_t(WINAPI *)(uintptr_t))finish;
	SetEvent(ready_event());
}

/* The hidden window takes IDCANCEL, which RAS sends to the windows of a script.
 * Its user data is the number that Go knows the run by, as long as it exists: a
 * hook of the host, and other threads, send messages also while it is created and
 * destroyed. */

static const WCHAR class_name[] = L"rasline script";

static LRESULT CALLBACK window_proc(HWND w, UINT message, WPARAM wp, LPARAM lp)
{
	uintptr_t run = (uintptr_t)GetWindowLongPtrW(w, GWLP_USERDATA);

	if (message == WM_NCCREATE)
		SetWindowLongPtrW(w, GWLP_USERDATA, (LONG_PTR)((CREATESTRUCTW *)lp)->lpCreateParams);
	else if (message == WM_COMMAND && LOWORD(wp) == IDCANCEL && run != 0)
		go.cancel(run);
	return DefWindowProcW(w, message, wp, lp);
}

static HWND make_window(HWND owner, uintptr_t run)
{
	WNDCLASSW class = {0};

	class.lpfnWndProc = window_proc;
	class.hInstance = rasline_module(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT);
	class.lpszClassName = class_name;
	RegisterClassW(&class); /* fails if it is registered already */
	return CreateWindowExW(0, class_name, L"rasline", WS_POPUP, 0, 0, 0, 0, owner, NULL, class.hInstance, (PVOID)run);
}

/* wait_for waits for the end of the script and serves the window meanwhile. A
 * WM_QUIT is the host's: it cancels the script, and is posted again for the
 * host's own loop. */
static void wait_for(HANDLE done, uintptr_t run)
{
	BOOL quit = FALSE;
	int code = 0;

	while (MsgWaitForMultipleObjects(1, &done, FALSE, INFINITE, QS_ALLINPUT) == WAIT_OBJECT_0 + 1) {
		MSG m;

		while (PeekMessageW(&m, NULL, 0, 0, PM_REMOVE)) {
			if (m.message == WM_QUIT) {
				quit = TRUE;
				code = (int)m.wParam;
				go.cancel(run);
				continue;
			}
			TranslateMessage(&m);
			DispatchMessageW(&m);
		}
	}
	if (quit)
		PostQuitMessage(code);
}

#if defined(__i386__)
/* The name without the decoration of stdcall, as RAS asks for it. */
__asm__(".globl _RasCustomScriptExecute\n\t.set _RasCustomScriptExecute, _RasCustomScriptExecute@44");
#endif

/* The one export; see name_windows.go. */
DWORD WINAPI RasCustomScriptExecute(HANDLE port, LPCWSTR phonebook, LPCWSTR entry,
	PFNRASGETBUFFER get, PFNRASFREEBUFFER release, PFNRASSENDBUFFER send, PFNRASRECEIVEBUFFER receive,
	PFNRASRETRIEVEBUFFER retrieve, HWND owner, RASDIALPARAMS *params, PVOID reserved)
{
	RASCUSTOMSCRIPTEXTENSIONS *ext = reserved;
	rasline_args a = {port, phonebook, entry, get, release, send, receive, retrieve, params, NULL, NULL};
	uintptr_t run;
	HWND window;
	DWORD code;

	if (ready_event() == NULL)
		return ERROR_NOT_ENOUGH_MEMORY;
	WaitForSingleObject(ready_event(), INFINITE);
	if (ext != NULL && ext->dwSize >= sizeof *ext)
		a.setcomm = ext->pfnRasSetCommSettings;
	a.done = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (a.done == NULL)
		return ERROR_NOT_ENOUGH_MEMORY;
	run = go.start(&a);
	window = owner == NULL ? NULL : make_window(owner, run);
	if (window == NULL)
		WaitForSingleObject(a.done, INFINITE);
	else
		wait_for(a.done, run);
	if (window != NULL)
		DestroyWindow(window); /* the number is valid until finish */
	code = (DWORD)go.finish(run);
	CloseHandle(a.done);
	return code;
}
