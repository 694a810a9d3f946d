package browser

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

// tab is a page that is open in Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	errors   []string
}

// openPage opens a file in a new Chromium and waits until its events are shown.
func openPage(t *testing.T, html []byte) *tab {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, html, 0o600); err != nil {
		t.Fatal(err)
	}
	return openURL(t, "file://"+path)
}

// openURL opens an address in a new Chromium and waits until the page is shown.
func openURL(t *testing.T, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(peertest.Program(t, "chromium", "chromium-browser", "google-chrome")),
		chromedp.NoSandbox, chromedp.WindowSize(1300, 800))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil { // which starts the browser
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(url))
	b.await(`!!document.body.dataset.opened`)
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			b.requests = append(b.requests, e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.errors = append(b.errors, fmt.Sprint("console.", e.Type))
	case *log.EventEntryAdded:
		b.errors = append(b.errors, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		b.errors = append(b.errors, "a dialog opened: "+e.Message)
	}
}

// limit bounds each step in the browser.
const limit = 30 * time.Second

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// value returns what an action does.
func value[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// run runs statements in the page.
func (b *tab) run(statements string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](statements))
}

func (b *tab) click(selector string) { b.t.Helper(); b.do(chromedp.Click(chromedp.CSS(selector))) }

// eval returns the value of an expression as text.
func (b *tab) eval(expression string) string {
	b.t.Helper()
	return value(b, chromedp.Evaluate[string]("String("+expression+")"))
}

// await waits until an expression is true. The page's own policy forbids what
// chromedp.Poll does.
func (b *tab) await(expression string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		if b.eval(expression) == "true" {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s is not true after %v", expression, limit)
		}
	}
}

func (b *tab) want(expression, want string) {
	b.t.Helper()
	if got := b.eval(expression); got != want {
		b.t.Errorf("%s is %q, want %q", expression, got, want)
	}
}

// scheme makes the system light or dark.
func (b *tab) scheme(value string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
		})
		return err
	}))
}

// close checks that nothing was reported on the console and nothing was fetched.
func (b *tab) close() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.errors) > 0 {
		b.t.Errorf("the console has %q", b.errors)
	}
	if len(b.requests) != 1 {
		b.t.Errorf("requests %q, want the page alone", b.requests)
	}
}

// recordDemo records a login through a modem on fake time.
func recordDemo(t *testing.T) []byte {
	var file bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		w, err := capture.NewWriter(&file, &capture.Config{Watch: true})
		if err != nil {
			t.Fatal(err)
		}
		near, far := virtual.Pair(virtual.Names("line", "far"), virtual.LineSpeed(9600))
		m := scripttest.NewModem(far, &scripttest.ModemConfig{Dial: func(ctx context.Context, number string) scripttest.Answer {
			line, host := virtual.Pair()
			login := scripttest.NewLogin(host, &scripttest.LoginConfig{User: "guest", Password: "swordfish"})
			context.AfterFunc(ctx, func() { login.Close() })
			return scripttest.Answer{Far: line, Connect: "CONNECT 9600"}
		}})
		defer m.Close()
		p := capture.Record(near, w)
		steps := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call, nil)
			defer d.Close()
			if _, err := d.Exchange(ctx, time.Minute, script.Text("ogin: "), "guest\r"); err != nil {
				return err
			}
			if _, err := d.ExchangeSecret(ctx, time.Minute, script.Text("word: "), "swordfish\r"); err != nil {
				return err
			}
			if _, err := d.WaitFor(ctx, 3*time.Second, script.Text("never")); err == nil {
				t.Error("a wait for what does not arrive has ended")
			}
			return nil
		})
		e := script.Sequence(&modem.Dialer{Numbers: []string{"5551234"}}, steps)
		if _, err := script.Run(t.Context(), p, e, &script.Config{Log: slog.New(w.Handler())}); err != nil {
			t.Fatal(err)
		}
		p.Close()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return file.Bytes()
}

// render returns the page of a recording and the number of its events.
func render(t *testing.T, file []byte) (html []byte, events int) {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := r.Next(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		events++
	}
	if r, err = capture.NewReader(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := capture.WriteHTML(&out, r, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), events
}

func TestPageOfALogin(t *testing.T) {
	html, events := render(t, recordDemo(t))
	b := openPage(t, html)
	if footer := b.eval(`document.getElementById("footer").textContent`); !strings.HasPrefix(footer, fmt.Sprintf("%d events, 1 port, opened in ", events)) {
		t.Errorf("the footer is %q, want %d events", footer, events)
	}
	b.want(`document.title`, "Recording of line")
	b.want(`document.getElementById("rows").children.length`, strconv.Itoa(events))
	b.want(`document.querySelectorAll("#rows .h").length > 0 && !document.body.innerHTML.includes("swordfish")`, "true")

	// A click on a wait marks the bytes that ended it.
	const first = `document.querySelector("button[data-span]")`
	b.want(first+`.textContent.startsWith('waits for "ogin: ", at most 1 min 0 s: matched after')`, "true")
	b.click(`button[data-span]`)
	b.want(`[...document.querySelectorAll("#rows mark")].map(m => m.textContent).join("|")`, "ogin: ")

	// One that failed shows what was received instead.
	b.run(`[...document.querySelectorAll("button[data-span]")].find(b => b.textContent.includes("never")).click()`)
	b.want(`document.querySelector("#detail h2").textContent.includes('waits for "never", at most 3.000 s: failed after 3.000 s')`, "true")
	b.want(`document.querySelector("#detail pre").textContent.includes("Welcome")`, "true")

	// A search, with its keys.
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), "GUEST"))
	b.await(`document.getElementById("matches").textContent.startsWith("1 of ")`)
	b.want(`document.querySelector("#rows .selected.found .b").textContent.includes("guest")`, "true")
	b.click("#next")
	b.await(`document.getElementById("matches").textContent.startsWith("2 of ")`)

	// Hexadecimal, a row's details, the lines, zoom.
	b.click("#hex")
	b.want(`[...document.querySelectorAll("#rows .b.s")].some(s => s.textContent.startsWith("67 75 65 73 74 0d"))`, "true")
	b.want(`[...document.querySelectorAll("#rows .row")].some(r => r.querySelectorAll(".l i")[1].className === "on turn")`, "true")
	b.click("#in")
	b.want(`to - from < total`, "true")
	b.click("#all")
	b.want(`to - from === total`, "true")

	// Light and dark.
	const back = `getComputedStyle(document.body).backgroundColor`
	light := b.eval(back)
	b.scheme("dark")
	if dark := b.eval(back); light != "rgb(255, 255, 255)" || dark == light {
		t.Errorf("the background is %s, and %s in the dark", light, dark)
	}

	// On paper all rows are there.
	paper := value(b, chromedp.PrintToPDF())
	if !bytes.HasPrefix(paper, []byte("%PDF")) || len(paper) < 10000 {
		t.Errorf("the print has %d bytes", len(paper))
	}
	if path := os.Getenv("RASLINE_PICTURE"); path != "" { // the one of the README
		b.scheme("light")
		b.click("#hex")
		b.run(`$("search").value = ""; search(); showWait(spans.findIndex(s => s[S_OUTCOME] === 1))`)
		picture := value(b, chromedp.CaptureScreenshot())
		if err := os.WriteFile(path, picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.close()
}

// TestLargePage opens a recording of an hour.
func TestLargePage(t *testing.T) {
	const size = 100_000
	var file bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		w, err := capture.NewWriter(&file, nil)
		if err != nil {
			t.Fatal(err)
		}
		near, far := virtual.Pair(virtual.NoLines())
		p := capture.Record(near, w)
		buf := make([]byte, 100)
		for i := range size/2 - 1 {
			fmt.Fprintf(far, "line %d of the listing, with some more text\r\n", i)
			p.Read(buf)
			p.Write([]byte("next\r"))
			far.Read(buf)
			peertest.Pass(72 * time.Millisecond)
		}
		fmt.Fprint(far, "the needle in it")
		p.Read(buf)
		p.Close()
		far.Close()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
	html, events := render(t, file.Bytes())
	if events != size {
		t.Fatalf("%d events, want %d", events, size)
	}
	b := openPage(t, html)
	ms, err := strconv.Atoi(b.eval(`document.body.dataset.opened`))
	t.Logf("%d events, %d bytes, opened in %d ms", events, len(html), ms)
	if err != nil || ms > 10_000 {
		t.Errorf("opened in %d ms, %v; want at most 10 s", ms, err)
	}
	b.want(`events.length`, strconv.Itoa(size))
	for _, at := range []string{"0.5", "0.1", "1"} {
		b.run(`list.scrollTop = list.scrollHeight * ` + at)
		b.await(`[...rows.children].some(r => { const b = r.getBoundingClientRect(), l = list.getBoundingClientRect(); return b.top <= l.top + 30 && b.bottom > l.top; })`)
		if n, err := strconv.Atoi(b.eval(`rows.children.length`)); err != nil || n < 20 || n > 300 {
			t.Errorf("%d rows are in the document, want at most 300", n)
		}
	}
	// Scrolled through in steps, no frame takes long.
	worst := value(b, chromedp.Evaluate[float64](`new Promise(done => {
		let n = 0, last = performance.now(), worst = 0;
		list.scrollTop = 0;
		const step = () => {
			const now = performance.now();
			worst = Math.max(worst, now - last); last = now;
			list.scrollTop += 5000;
			if (++n < 60) requestAnimationFrame(step); else done(worst);
		};
		requestAnimationFrame(step);
	})`, chromedp.EvalAwaitPromise))
	t.Logf("the longest frame of 60 took %.0f ms", worst)
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), "needle"))
	b.await(`document.getElementById("matches").textContent === "1 of 1 events"`)
	b.want(`document.querySelector("#rows .selected .b.r").textContent`, "the needle in it")
	b.close()
}

// TestHostileBytes shows what looks like markup, and characters that change the
// direction of text, as what they are.
func TestHostileBytes(t *testing.T) {
	hostile := []string{
		"<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>", "\"><b>bold</b>&lt;&#60;",
		"\u202egnp.exe\u2066", "{{DATA}}{{TITLE}}", "\x00\x01\x1b[31m\xff\xfe\u2028", "<!--", "]]>", "\\u003cscript>",
	}
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, &capture.Config{Name: "</title><script>alert(3)</script>\u202e"})
	if err != nil {
		t.Fatal(err)
	}
	near, far := virtual.Pair()
	p := capture.Record(near, w)
	notes := slog.New(w.Handler())
	for _, text := range hostile {
		far.Write([]byte(text))
		p.Read(make([]byte, 100))
		notes.Info("waiting", "for", text)
		notes.Info(text, "key", text)
		notes.Info("state", "state", text)
	}
	p.Close()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	html, events := render(t, file.Bytes())
	b := openPage(t, html)
	b.want(`events.length`, strconv.Itoa(events))
	b.want(`document.scripts.length + " " + document.images.length + " " + document.querySelectorAll("#rows b b, main b").length`, "2 0 0")
	b.want(`document.title`, "Recording of </title><script>alert(3)</script><U+202E>")
	b.want(`[...document.querySelectorAll("#rows .b.r")].some(s => s.textContent === "<script>alert(1)</script>")`, "true")
	b.want(`/[\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText)`, "false")
	b.run(`for (let i = 0; i < events.length; i++) select(i); for (let i = 0; i < spans.length; i++) showWait(i)`)
	b.want(`/[\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText)`, "false")
	b.close()
}
