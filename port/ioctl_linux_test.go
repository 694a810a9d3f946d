package port

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
)

// everyMode returns all modes that Validate takes, at a few rates.
func everyMode() (modes []Mode) {
	for _, baud := range []int{1, 300, 12345, 115200, 4_000_000, maxBaud} {
		for bits := 5; bits <= 8; bits++ {
			for p := ParityNone; p <= ParitySpace; p++ {
				for s := StopOne; s <= StopTwo; s++ {
					for f := FlowNone; f <= FlowBoth; f++ {
						if m := (Mode{baud, bits, p, s, f}); m.Validate() == nil {
							modes = append(modes, m)
						}
					}
				}
			}
		}
	}
	return modes
}

func TestModesSurviveTermios(t *testing.T) {
	noise := unix.Termios{Iflag: ^uint32(0), Cflag: ^uint32(0), Ospeed: 7}
	for _, start := range []unix.Termios{{}, noise} {
		for _, m := range everyMode() {
			tio := start
			termios.SetSpeed(&tio, m.Baud)
			setMode(&tio, m)
			if got := modeOf(&tio); got != m {
				t.Fatalf("%v came back as %v", m, got)
			}
		}
	}
}

func TestMakeRaw(t *testing.T) {
	tio := unix.Termios{Iflag: ^uint32(0), Oflag: ^uint32(0), Lflag: ^uint32(0)}
	termios.MakeRaw(&tio)
	if tio.Iflag != 0 {
		t.Errorf("input flags %#x, want none: each of them changes or swallows bytes", tio.Iflag)
	}
	if tio.Oflag&unix.OPOST != 0 || tio.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG|unix.IEXTEN) != 0 {
		t.Errorf("output flags %#x, local flags %#x are not raw", tio.Oflag, tio.Lflag)
	}
	if tio.Cflag&(unix.CREAD|unix.CLOCAL) != unix.CREAD|unix.CLOCAL || tio.Cc[unix.VMIN] != 1 || tio.Cc[unix.VTIME] != 0 {
		t.Errorf("control flags %#x, VMIN %d, VTIME %d", tio.Cflag, tio.Cc[unix.VMIN], tio.Cc[unix.VTIME])
	}
}

func TestLinesSurviveTheKernelsBits(t *testing.T) {
	for l := range Lines(1 << 6) {
		if got := linesFrom(l.tiocm()); got != l {
			t.Errorf("%v came back as %v", l, got)
		}
	}
}

func TestStatsCountOverTheWrap(t *testing.T) {
	var s Stats
	then := icounter{rx: 1<<32 - 2, tx: 5, frame: 1, overrun: 2, parity: 3, brk: 4, buf: 5}
	now := icounter{rx: 3, tx: 15, frame: 2, overrun: 4, parity: 6, brk: 8, buf: 10}
	s.add(&then, &now)
	s.add(&now, &now)
	want := Stats{Received: 5, Sent: 10, Framing: 1, Parity: 3, Overrun: 2, Buffer: 5, Breaks: 4}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

func TestIsPseudo(t *testing.T) {
	tests := []struct {
		name         string
		major, minor uint32
		want         bool
	}{
		{"slave", 136, 3, true}, {"slave above 256", 137, 0, true}, {"ptmx", 5, 2, true},
		{"BSD master", 2, 0, true}, {"BSD slave", 3, 0, true},
		{"ttyS0", 4, 64, false}, {"tty1", 4, 1, true}, {"console that cannot be asked", 5, 1, true}, {"ttyUSB0", 188, 0, false}, {"ttyACM0", 166, 0, false},
	}
	for _, tt := range tests {
		if got := isPseudoNumber(unix.Mkdev(tt.major, tt.minor)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

const locks = `1: POSIX  ADVISORY  WRITE 700 00:05:99 0 EOF
2: FLOCK  ADVISORY  WRITE 812 00:15:3 0 EOF
2: -> FLOCK  ADVISORY  WRITE 900 00:15:3 0 EOF
3: FLOCK  ADVISORY  WRITE -1 00:15:4 0 EOF
4: OFDLCK ADVISORY  READ  -1 00:05:1 0 EOF
`

func TestFlockHolder(t *testing.T) {
	tests := []struct {
		name         string
		minor, inode int
		want         int
	}{
		{"held", 0x15, 3, 812},
		{"another inode", 0x15, 33, 0},
		{"a record lock is no flock", 5, 99, 0},
		{"a holder that cannot be seen", 0x15, 4, 0},
	}
	for _, tt := range tests {
		if got := flockHolder([]byte(locks), unix.Mkdev(0, uint32(tt.minor)), uint64(tt.inode)); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func FuzzFlockHolder(f *testing.F) {
	f.Add([]byte(locks))
	f.Add([]byte("1: FLOCK ADVISORY WRITE 99999999999999999999 00:15:3 0 EOF"))
	f.Fuzz(func(t *testing.T, table []byte) {
		if pid := flockHolder(table, unix.Mkdev(0, 0x15), 3); pid < 0 {
			t.Errorf("process %d", pid)
		}
	})
}
