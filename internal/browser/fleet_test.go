package browser

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// startFleet starts the demonstration of rasfleet and returns the address of its
// page.
func startFleet(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "rasfleet")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../../examples/rasfleet"
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	demo := exec.Command(program, append([]string{"demo", "-http", "127.0.0.1:0", "-keep"}, args...)...)
	var errors bytes.Buffer
	demo.Stderr = &errors
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		demo.Process.Signal(os.Interrupt)
		if err := demo.Wait(); err != nil {
			t.Errorf("the demonstration has ended with %v: %s", err, &errors)
		}
		if strings.Contains(errors.String(), "kilowatt") {
			t.Error("the demonstration has printed the password")
		}
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no address: %v", err)
	}
	return strings.TrimSpace(url)
}

func TestFleetPage(t *testing.T) {
	b := openURL(t, startFleet(t, "-jobs", "250", "-lines", "80", "-pace", "800ms"))

	// The board changes while jobs run.
	b.await(`document.querySelectorAll(".line").length == 160`)
	b.await(`document.querySelectorAll(".line.dialling").length > 0`)
	b.await(`document.querySelectorAll(".line.talking").length > 0`)
	b.await(`document.querySelectorAll(".host").length == 2`)

	b.want(`[...document.querySelectorAll(".host")].every(h => h.getBoundingClientRect().height < 60)`, "true")

	// A call is watched live: its line is on the board. One that ends before that has
	// nothing to show, and another one is tried.
	b.run(`window.clicked = -Infinity; window.watch = () => {
		if (performance.now() > clicked + 3000) {
			clicked = performance.now();
			document.querySelector('.line[data-job]:not([data-job=""])')?.click();
		}
		return document.getElementById("live").textContent.length > 0;
	}`)
	b.await(`watch()`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want(`document.getElementById("detail").hidden`, "true")

	b.await(`document.getElementById("progress").value > 0`)
	b.await(`document.getElementById("text").textContent.startsWith("250 of 250 done")`)
	b.await(`document.querySelectorAll(".line.free").length == 160`)

	// The filter, by keyboard.
	b.do(chromedp.KeyEvent("/"))
	b.want(`document.activeElement.id`, "filter")
	b.run(`document.getElementById("filter").value = ""`) // the driver's "/" is a key and a character
	b.do(chromedp.KeyEvent("meter-00042"))
	b.await(`document.querySelectorAll("#rows tr").length == 1`)
	b.want(`document.querySelector("#rows td").textContent`, "meter-00042")

	// The timeline, by keyboard.
	b.run(`document.getElementById("list").focus()`)
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	b.await(`!document.getElementById("detail").hidden`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.await(`!!(document.getElementById("timeline").contentDocument || {}).body?.dataset.opened`)
	b.await(`document.getElementById("timeline").contentDocument.body.textContent.includes("READING")`)
	b.want(`document.documentElement.outerHTML.includes("kilowatt") || document.getElementById("timeline").contentDocument.documentElement.outerHTML.includes("kilowatt")`, "false")

	for _, scheme := range []string{"dark", "light"} {
		b.scheme(scheme)
		b.want(`matchMedia("(prefers-color-scheme: `+scheme+`)").matches && getComputedStyle(document.body).color != getComputedStyle(document.body).backgroundColor`, "true")
	}
	b.want(`document.documentElement.scrollWidth <= innerWidth`, "true")
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.errors) > 0 {
		t.Errorf("the console has %q", b.errors)
	}
}
