package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// startWeb serves the page of a queue and returns its address.
func startWeb(t *testing.T, q *Queue, token string) (place string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &web{b: newBoard(q), token: token}
	var tasks sync.WaitGroup
	t.Cleanup(tasks.Wait)
	tasks.Go(func() { w.b.run(t.Context()) })
	tasks.Go(func() { serveWeb(t.Context(), l, w) })
	return "http://" + l.Addr().String()
}

func get(t *testing.T, url string, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestPageIsGuarded(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	open, guarded := startWeb(t, q, ""), startWeb(t, q, "tally")
	for _, test := range []struct {
		name, url string
		change    func(*http.Request)
		want      int
	}{
		{"loopback", open + "/", nil, 200},
		{"a name that leads here", open + "/metrics", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"localhost", open + "/metrics", func(r *http.Request) { r.Host = "localhost:1" }, 200},
		{"no token", guarded + "/metrics", nil, 401},
		{"wrong token", guarded + "/metrics?token=tallyho", nil, 401},
		{"a program", guarded + "/metrics", func(r *http.Request) { r.Header.Set("Authorization", "Bearer tally") }, 200},
		{"a browser", guarded + "/metrics", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "rasfleet", Value: "tally"}) }, 200},
		{"no recording", open + "/timeline/none", nil, 404},
		{"no id", open + "/live/a.b", nil, 404},
	} {
		if got, body := get(t, test.url, test.change); got != test.want {
			t.Errorf("%s: status %d, want %d: %.200s", test.name, got, test.want, body)
		}
	}
}

// The conversation of a call that is watched, its recording and the board have no secret.
func TestPageShowsTheCall(t *testing.T) {
	_, q := startTestQueue(t, 2*time.Second)
	startWorker(t, q, workerConfig{name: "w1", lines: simLines("a", 1), open: (&bank{pace: time.Second}).open})
	place := startWeb(t, q, "")
	j := simJob(1)

	res, err := http.Get(place + "/live/" + j.ID)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1024)
	var reading sync.WaitGroup
	reading.Go(func() {
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			lines <- s.Text()
		}
	})
	mustSubmit(t, q, j)
	await(t, "the call is under way", func() bool {
		s, err := q.status(t.Context())
		return err == nil && len(s.Workers) == 1 && s.Workers[0].Lines[0].State != stateFree
	})
	q.nc.Publish("WATCH."+j.ID, nil)
	awaitResult(t, q, j.ID)
	await(t, "the metrics have the result", func() bool {
		_, body := get(t, place+"/metrics", nil)
		return strings.Contains(body, `rasfleet_jobs{state="ok"} 1`) && strings.Contains(body, `rasfleet_lines{state="free"} 1`)
	})
	res.Body.Close()
	reading.Wait()
	close(lines)
	var live strings.Builder
	for s := range lines {
		live.WriteString(s + "\n")
	}
	if !strings.Contains(live.String(), "sent") {
		t.Errorf("the conversation was not sent live: %q", live.String())
	}

	events, err := http.Get(place + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	first, err := bufio.NewReader(events.Body).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var change boardChange
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "data: ")), &change); err != nil {
		t.Fatal(err)
	}
	if len(change.Jobs) != 1 || change.Jobs[0].State != outcomeOK || change.Done != 1 || change.Total != 1 || len(change.Workers) != 1 {
		t.Errorf("the board is %s", first)
	}
	code, timeline := get(t, place+"/timeline/"+j.ID+"-1", nil)
	if code != 200 || !strings.Contains(timeline, "READING") {
		t.Errorf("the timeline is %d, %d bytes", code, len(timeline))
	}
	for name, text := range map[string]string{"the live conversation": live.String(), "the board": first, "the timeline": timeline} {
		if strings.Contains(text, simPassword[:8]) {
			t.Errorf("%s contains the password", name)
		}
	}
}

// The token leads to no other host.
func TestTokenRedirect(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	place := startWeb(t, q, "tally")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]string{"/": "/", "/metrics": "/metrics", "//evil.example/x": "/evil.example/x", "/%5Cevil.example": "/%5Cevil.example"} {
		res, err := client.Get(place + path + "?token=tally")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("%s leads to %s, want %s", path, got, want)
		}
	}
}

// Workers that were killed, or ended while no page was served, do not stay on the
// board.
func TestBoardForgetsWorkers(t *testing.T) {
	_, q := startTestQueue(t, time.Second)
	body, err := json.Marshal(workerState{Name: "killed", Lease: Duration(100 * time.Millisecond), Lines: []lineState{{Name: "l"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"killed", "ended"} {
		if _, err := q.lines.Put(t.Context(), name, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.lines.Delete(t.Context(), "ended"); err != nil {
		t.Fatal(err)
	}
	b := newBoard(q)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.run(ctx) }()
	seen := false
	await(t, "the worker is gone from the board", func() bool {
		c, _ := b.since(0)
		for _, w := range c.Workers {
			if w.Name != "killed" {
				t.Fatalf("the board has the worker %q", w.Name)
			}
			seen = true
		}
		return seen && len(c.Names) == 0
	})
	await(t, "the worker is gone from the status", func() bool {
		s, err := q.status(t.Context())
		return err == nil && len(s.Workers) == 0
	})
	cancel()
	<-done
}
