package portname

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
)

// openReplay opens the near end of a playback of a recording.
func openReplay(_ context.Context, name string, cfg *Config) (port.Port, error) {
	_, path, _ := strings.Cut(name, ":")
	var play capture.PlayConfig
	if cfg.Replay != nil {
		play = *cfg.Replay
	}
	if path == "" {
		return nil, badName("write it as replay:FILE or replay:FILE#NAME")
	}
	if _, err := os.Stat(path); err != nil {
		if i := strings.LastIndexByte(path, '#'); i > 0 {
			path, play.Port = path[:i], path[i+1:]
		}
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // to open a FIFO would wait for its writer
		return nil, fmt.Errorf("%s is no regular file: a recording is read twice to play it; copy it to a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	p, err := replay(file, name, &play, cfg.Port)
	if err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

func replay(file *os.File, name string, play *capture.PlayConfig, cfg *port.Config) (port.Port, error) {
	info, lines, first, err := survey(file, play.Port)
	if err != nil {
		return nil, err
	}
	opts := []virtual.Option{virtual.Names(name, "recording"), virtual.Carrier(cfg.Carrier)}
	if !lines {
		opts = append(opts, virtual.NoLines())
	}
	recorded, err := port.ParseMode(info.Mode)
	hasMode := info.Mode != "" && err == nil
	switch {
	case hasMode && recorded.Validate() == nil:
		opts = append(opts, virtual.Mode(recorded))
	case cfg.Mode != (port.Mode{}):
		return nil, fmt.Errorf("the recorded port has no mode, and %v was asked for: %w", cfg.Mode, errors.ErrUnsupported)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r, err := capture.NewReader(file)
	if err != nil {
		return nil, err
	}
	near, far := virtual.Pair(opts...)
	if err := near.SetMode(cfg.Mode); err != nil {
		return nil, err
	}
	if lines { // before the near end can be asked for them
		far.Drive(port.Inputs, first)
	}
	playback := capture.Play(far, r, play)
	return &replayPort{Forward: port.Forward{Port: playback.Near(near)}, play: playback, file: file, hasMode: hasMode}, nil
}

// survey reads a whole recording, so that one that cannot be played is refused
// here, and returns the port that is to be played, whether its modem lines were
// recorded, and how they were first.
func survey(file io.Reader, name string) (info capture.PortInfo, lines bool, first port.Lines, err error) {
	r, err := capture.NewReader(file)
	if err != nil {
		return info, false, 0, err
	}
	seen := make(map[int]port.Lines)
	for {
		e, err := r.Next()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return info, false, 0, err
		}
		if _, ok := seen[e.Port]; !ok && e.Kind == capture.LinesChanged {
			seen[e.Port] = e.Lines
		}
	}
	ports := r.Ports()
	if name == "" && len(ports) > 1 {
		return info, false, 0, &capture.PortError{Ports: ports}
	}
	for i, p := range ports {
		if name == "" || p.Name == name {
			first, lines := seen[i]
			return p, lines, first, nil
		}
	}
	return info, false, 0, &capture.PortError{Name: name, Ports: ports}
}

// replayPort is the near end of a playback.
type replayPort struct {
	port.Forward
	play    *capture.Playback
	file    *os.File
	hasMode bool
}

// Close closes the port and ends the playback. The error is a
// *capture.DivergenceError if the recorded script had more to send; where a read or
// write has reported a divergence, it is not reported again.
func (p *replayPort) Close() error {
	err := p.Port.Close()
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	var diverged *capture.DivergenceError
	if errors.As(p.play.Close(), &diverged) && diverged.Ended && !diverged.Connected {
		err = errors.Join(err, diverged)
	}
	p.file.Close()
	return err
}

// Abilities returns what the recorded port could do.
func (p *replayPort) Abilities() port.Abilities {
	a := p.Forward.Abilities()
	if !p.hasMode {
		a &^= port.AbilityMode
	}
	return a
}

func (p *replayPort) Mode() (port.Mode, error) {
	if !p.hasMode {
		return port.Mode{}, p.Unsupported("mode")
	}
	return p.Forward.Mode()
}

func (p *replayPort) SetMode(m port.Mode) error {
	if !p.hasMode {
		return p.Unsupported("set mode")
	}
	return p.Forward.SetMode(m)
}
