//go:build windows && cgo

#include "glue_windows.h"
#include "_cgo_export.h"

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

/* The hidden window takes IDCANCEL, which RAS sends to the windows of a script.
 * Its user data is the number that Go knows the run by. */

static const WCHAR class_name[] = L"rasline script";

static LRESULT CALLBACK window_proc(HWND w, UINT message, WPARAM wp, LPARAM lp)
{
	if (message == WM_COMMAND && LOWORD(wp) == IDCANCEL)
		raslineCancel((uintptr_t)GetWindowLongPtrW(w, GWLP_USERDATA));
	return DefWindowProcW(w, message, wp, lp);
}

static HWND make_window(HWND owner, uintptr_t run)
{
	WNDCLASSW class = {0};
	HWND w;

	class.lpfnWndProc = window_proc;
	class.hInstance = rasline_module(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT);
	class.lpszClassName = class_name;
	RegisterClassW(&class); /* fails if it is registered already */
	w = CreateWindowExW(0, class_name, L"rasline", WS_POPUP, 0, 0, 0, 0, owner, NULL, class.hInstance, NULL);
	if (w != NULL)
		SetWindowLongPtrW(w, GWLP_USERDATA, (LONG_PTR)run);
	return w;
}

/* wait_for waits for the end of the script and serves the window meanwhile. */
static void wait_for(HANDLE done)
{
	while (MsgWaitForMultipleObjects(1, &done, FALSE, INFINITE, QS_ALLINPUT) == WAIT_OBJECT_0 + 1) {
		MSG m;

		while (PeekMessageW(&m, NULL, 0, 0, PM_REMOVE)) {
			TranslateMessage(&m);
			DispatchMessageW(&m);
		}
	}
}

#if defined(__i386__)
/* The name without the decoration of stdcall, as RAS asks for it. */
__asm__(".section .drectve\n\t.ascii \" -export:RasCustomScriptExecute=RasCustomScriptExecute@44\"\n\t.text");
#define EXPORT
#else
#define EXPORT __declspec(dllexport)
#endif

EXPORT DWORD WINAPI RasCustomScriptExecute(HANDLE port, LPCWSTR phonebook, LPCWSTR entry,
	PFNRASGETBUFFER get, PFNRASFREEBUFFER release, PFNRASSENDBUFFER send, PFNRASRECEIVEBUFFER receive,
	PFNRASRETRIEVEBUFFER retrieve, HWND owner, RASDIALPARAMS *params, PVOID reserved)
{
	RASCUSTOMSCRIPTEXTENSIONS *ext = reserved;
	rasline_args a = {port, phonebook, entry, get, release, send, receive, retrieve, params, NULL, NULL};
	uintptr_t run;
	HWND window;
	DWORD code;

	if (rasline_module(GET_MODULE_HANDLE_EX_FLAG_PIN) == NULL)
		return ERROR_MOD_NOT_FOUND;
	if (ext != NULL && ext->dwSize >= sizeof *ext)
		a.setcomm = ext->pfnRasSetCommSettings;
	a.done = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (a.done == NULL)
		return ERROR_NOT_ENOUGH_MEMORY;
	run = raslineStart(&a);
	window = owner == NULL ? NULL : make_window(owner, run);
	if (window == NULL)
		WaitForSingleObject(a.done, INFINITE);
	else
		wait_for(a.done);
	code = raslineFinish(run);
	if (window != NULL)
		DestroyWindow(window);
	CloseHandle(a.done);
	return code;
}
