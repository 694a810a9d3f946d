//go:build linux && !ppc64

package port_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
)

// TestAdapterSuite runs the conformance suite on the driver of other systems.
func TestAdapterSuite(t *testing.T) {
	runSuite(t, func(t *testing.T) (a, b port.Port) {
		p := newPTY(t)
		s, err := port.OpenAdapter(t.Context(), p.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return hungUp{Serial: s}, p.Port
	})
}

// TestAdapterIsNotInherited: a child that has the descriptor keeps the line from
// being hung up.
func TestAdapterIsNotInherited(t *testing.T) {
	const list = "ls -l /proc/self/fd; read -r line"
	p := newPTY(t)
	before, err := exec.Command("sh", "-c", list).Output()
	if len(before) == 0 {
		t.Fatal(err)
	}
	s, err := port.OpenAdapter(t.Context(), p.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	child := exec.Command("sh", "-c", list)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	child.Stdout = &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	p.Port.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err = p.Port.Read(make([]byte, 1))
	wantOp(t, err, "read", port.ErrCarrierLost)
	in.Close()
	child.Wait()
	if strings.Contains(out.String(), p.Name) || strings.Count(out.String(), "pipe:") > strings.Count(string(before), "pipe:")+1 {
		t.Errorf("the child has our descriptors:\n%s", out.String())
	}
}

// TestAdapterRefusesHighDescriptors: the library's set of descriptors ends at
// 1,023.
func TestAdapterRefusesHighDescriptors(t *testing.T) {
	p := newPTY(t)
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Skipf("not that many files can be open here: %v", err)
		}
		defer f.Close()
		var number uintptr
		conn, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		conn.Control(func(fd uintptr) { number = fd })
		if number >= 1022 {
			break
		}
	}
	_, err := port.OpenAdapter(t.Context(), p.Name, nil)
	wantOp(t, err, "open", errors.ErrUnsupported)
	if !strings.Contains(err.Error(), "descriptor") {
		t.Errorf("error %q does not say why", err)
	}
	s := openSerial(t, p.Name, nil) // the driver of Linux has no such limit
	s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err = s.Read(make([]byte, 1))
	wantOp(t, err, "read", os.ErrDeadlineExceeded)
}
