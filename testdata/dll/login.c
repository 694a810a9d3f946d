/* A login as a vendor would have shipped it: answers the name and password
 * prompts, asks the menu for PPP and leaves a domain behind. */
#include "script.h"

#define REPLY_LIMIT 10000 /* ms */

typedef struct {
	RUN *run;
	HANDLE event;
	PBYTE in, out;
	DWORD insize, outsize;
	char seen[4096]; /* what came since the last match */
	DWORD nseen;
} LOGIN;

/* read_more appends what the server sends next. */
static DWORD read_more(LOGIN *l)
{
	DWORD n, code;

	code = l->run->receive(l->run->port, l->in, &n, REPLY_LIMIT, l->event);
	if (code != 0)
		return code;
	WaitForSingleObject(l->event, INFINITE);
	n = l->insize;
	code = l->run->retrieve(l->run->port, l->in, &n);
	if (code != 0)
		return code;
	if (n > sizeof l->seen - 1 - l->nseen)
		return ERROR_BUFFER_OVERFLOW;
	memcpy(l->seen + l->nseen, l->in, n);
	l->nseen += n;
	l->seen[l->nseen] = 0;
	return 0;
}

/* expect waits for one of two texts and tells which came. */
static DWORD expect(LOGIN *l, const char *a, const char *b, int *which)
{
	DWORD code;

	for (;;) {
		char *at;

		*which = 0;
		at = strstr(l->seen, a);
		if (at == NULL && b != NULL) {
			*which = 1;
			at = strstr(l->seen, b);
		}
		if (at != NULL) {
			l->nseen = 0;
			l->seen[0] = 0;
			return 0;
		}
		code = read_more(l);
		if (code != 0)
			return code;
	}
}

static DWORD answer(LOGIN *l, LPCWSTR text)
{
	int n = WideCharToMultiByte(CP_ACP, 0, text, -1, (char *)l->out, (int)l->outsize - 1, NULL, NULL);

	if (n == 0)
		return ERROR_INVALID_PARAMETER;
	l->out[n - 1] = '\r';
	return l->run->send(l->run->port, l->out, (DWORD)n);
}

static DWORD talk(LOGIN *l)
{
	DWORD code;
	int which;

	if ((code = expect(l, "ogin: ", NULL, &which)) != 0)
		return code;
	if ((code = answer(l, l->run->params->szUserName)) != 0)
		return code;
	if ((code = expect(l, "assword: ", NULL, &which)) != 0)
		return code;
	if ((code = answer(l, l->run->params->szPassword)) != 0)
		return code;
	if ((code = expect(l, "menu> ", "incorrect", &which)) != 0)
		return code;
	if (which == 1)
		return CODE_AUTHENTICATION_FAILURE;
	if ((code = answer(l, L"ppp")) != 0)
		return code;
	if ((code = expect(l, "Entering PPP", NULL, &which)) != 0)
		return code;
	lstrcpyW(l->run->params->szDomain, L"EXAMPLE");
	return 0;
}

DWORD script_main(RUN *run)
{
	static LOGIN l; /* one connection at a time, as ever */
	RASCOMMSETTINGS comm = {sizeof comm, 0, 0, 8, 0};
	DWORD code;

	memset(&l, 0, sizeof l);
	l.run = run;
	l.event = CreateEvent(NULL, FALSE, FALSE, NULL);
	l.insize = l.outsize = 1500;
	code = run->get(&l.in, &l.insize);
	if (code == 0)
		code = run->get(&l.out, &l.outsize);
	if (code == 0 && run->setcomm != NULL)
		code = run->setcomm(run->port, &comm, NULL);
	if (code == 0)
		code = talk(&l);
	if (l.out != NULL)
		run->free(l.out);
	if (l.in != NULL)
		run->free(l.in);
	CloseHandle(l.event);
	return code;
}
