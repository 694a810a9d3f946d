package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"testing"
	"time"
)

// freePorts returns ports of the loopback address that were free a moment ago: the
// members of a cluster must know each other's before they start.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// A member of a cluster of three is killed while jobs run.
func TestClusterLosesAMember(t *testing.T) {
	dir := t.TempDir()
	ports := freePorts(t, 3)
	var routes []*url.URL
	for _, p := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", p)})
	}
	members := make([]*embedded, len(ports))
	var urls string
	creds := filepath.Join(dir, "client.nk")
	ready := make(chan error, 3)
	for i, p := range ports {
		name := fmt.Sprintf("n%d", i+1)
		if i == 0 {
			if _, err := loadSeed(creds); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			e, err := startServer(embeddedConfig{store: filepath.Join(dir, name), listen: "127.0.0.1:0", name: name, cluster: "fleet", routes: routes, route: p, creds: creds})
			members[i] = e
			ready <- err
		}()
	}
	for range members {
		if err := <-ready; err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range members {
		urls += e.url() + ","
		defer e.stop()
	}
	nc, err := connect(urls[:len(urls)-1], creds)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	await(t, "the cluster has a leader", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return setUp(ctx, nc, queueConfig{replicas: 3, lease: 3 * time.Second}) == nil
	})
	q, err := openQueue(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	e := new(exclusive)
	startWorker(t, q, workerConfig{name: "w1", lines: simLines("a", 8), call: e.call})
	const jobs = 200
	for i := range jobs {
		j := testJob(fmt.Sprintf("j%03d", i))
		await(t, "job "+j.ID+" is queued", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := q.submit(ctx, j)
			return err == nil
		})
		if i == jobs/2 { // the leader of the queue, in the middle of the jobs
			info, err := q.stream.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range members {
				if m.ns.Name() == info.Cluster.Leader {
					m.stop()
				}
			}
		}
	}
	defer func() {
		if t.Failed() {
			s, err := q.status(context.Background())
			t.Logf("the queue is %+v, %v", s, err)
			for _, name := range []string{"JOBS", "RESULTS", "KV_leases", "KV_calls"} {
				if s, err := q.js.Stream(context.Background(), name); err != nil {
					t.Logf("stream %s: %v", name, err)
				} else {
					t.Logf("stream %s: %+v, leader %+v", name, s.CachedInfo().State, s.CachedInfo().Cluster.Leader)
				}
			}
		}
	}()
	for i := range jobs {
		id := fmt.Sprintf("j%03d", i)
		await(t, "the result of "+id, func() bool {
			r, err := q.result(t.Context(), id)
			return err == nil && r != nil && r.Outcome == outcomeOK
		})
	}
	s, err := q.resultStream.Info(t.Context())
	if err != nil || s.State.Msgs != jobs || len(s.Cluster.Replicas) != 2 {
		t.Errorf("%+v, %v, want %d results on three members", s, err, jobs)
	}
	t.Logf("%d jobs, %d calls", jobs, e.total.Load())
}
