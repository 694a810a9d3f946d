package phonebook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/internal/words"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/chat"
)

// executor returns what runs the command of an init, connect, welcome or disconnect
// option, nil if there is none.
func (b *peerEntry) executor(o option) script.Executor {
	if len(o.values) == 0 {
		return nil
	}
	v := o.values[0]
	found := b.at(o)
	list, why := words.Shell(v.text)
	if why == "" && len(list) == 1 {
		list = b.follow(list)
	}
	if why == "" && len(list) > 0 {
		switch path.Base(list[0]) {
		case "chat":
			e, err := b.chat(list[1:])
			if err != nil {
				found.errorf(v.line, v.col, "%s: %v", o.text, err)
			}
			return e
		case "rasdial":
			found.errorf(v.line, v.col, "%s: rasdial cannot call itself", o.text)
			return nil
		}
		why = list[0]
	}
	if b.cfg.Shell {
		command := &shellCommand{command: v.text, env: b.environment(), stderr: b.cfg.Stderr}
		for name, value := range b.env {
			if isSecretName(name) {
				command.secrets = append(command.secrets, ras.Secret(value))
			}
		}
		return command
	}
	if why == "" {
		why = "an empty command"
	}
	found.errorf(v.line, v.col, "%s: %s is more than a chat command: only a shell can run it, which must be allowed", o.text, why)
	return nil
}

// follow returns the chat command of a shell script that has no other, which is
// looked up beside the peers file.
func (b *peerEntry) follow(command []string) []string {
	src, err := b.read(command[0])
	if err != nil || !strings.HasPrefix(string(src), "#!/bin/sh") {
		return command
	}
	var text strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(string(src), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			text.WriteString(strings.TrimPrefix(line, "exec ") + "\n")
		}
	}
	inner, why := words.Shell(strings.TrimSpace(text.String()))
	if why != "" || len(inner) == 0 || path.Base(inner[0]) != "chat" {
		return command
	}
	return inner
}

// read reads a script file: by its path, then by its name alone, in the Scripts of
// the EntryConfig.
func (b *peerEntry) read(name string) ([]byte, error) {
	if b.cfg.Scripts == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("no directory for scripts is given, and no other is read")}
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	src, err := readFile(b.cfg.Scripts, clean)
	if errors.Is(err, fs.ErrNotExist) {
		if src, err = readFile(b.cfg.Scripts, path.Base(clean)); errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s is in none of the directories for scripts, and no other is read: add its directory (rasdial -script-dir %s)", name, path.Dir(path.Clean("/"+name)))
		}
	}
	return src, err
}

// chat makes an executor of the arguments of chat(8).
func (b *peerEntry) chat(args []string) (script.Executor, error) {
	var cfg chat.Config
	file := ""
	args, err := words.Options(args, "ftrTU", func(letter byte, value string, given bool) error {
		if !given {
			return errors.New("chat -" + string(letter) + " needs a value")
		}
		switch letter {
		case 'e':
			cfg.Echo = true
		case 'V':
			cfg.Copy = true
		case 'E':
			cfg.Env = func(name string) (value string, ok bool) {
				for _, s := range b.environment() {
					if value, ok = strings.CutPrefix(s, name+"="); ok {
						return value, true
					}
				}
				return "", false
			}
		case 'f':
			file = value
		case 't':
			n, err := strconv.Atoi(strings.TrimSpace(value))
			cfg.Timeout = time.Duration(n) * time.Second
			if err != nil || n <= 0 {
				cfg.Timeout = -1
			}
		case 'T':
			cfg.T = &value
		case 'U':
			cfg.U = (*ras.Secret)(&value)
		case 'r', 'v', 's', 'S': // where reports and messages go
		default:
			return errors.New("chat has no option -" + string(letter))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if cfg.T == nil && b.cfg.Phone != "" {
		cfg.T = &b.cfg.Phone
	}
	s, err := chat.Parse(args)
	if file != "" {
		if len(args) > 0 {
			return nil, errors.New("chat -f takes no words besides")
		}
		var src []byte
		if src, err = b.read(file); err == nil {
			s, err = chat.ParseFile(file, src)
		}
	}
	if err != nil {
		return nil, err
	}
	return s.Executor(&cfg), nil
}

// environment is what pppd gives its scripts (pppd(8), SCRIPTS).
func (b *peerEntry) environment() []string {
	env := []string{"DEVICE=" + b.device, "CALL_FILE=" + b.peer.name, "SPEED=" + strconv.Itoa(b.mode.Baud)}
	for name, value := range b.env {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// carrierWait bounds the wait for the carrier of a line that nothing dials. pppd
// waits without a limit; the dial has its own.
const carrierWait = 24 * time.Hour

// pulseDTR drops DTR for a second before a connect script, as pppd does with its
// option modem. On a port without modem lines it does nothing.
func pulseDTR(ctx context.Context, call *ras.Call) error {
	lines, ok := call.Line().(port.LineController)
	if !ok {
		return nil
	}
	if err := lines.SetLines(port.DTR, 0); err != nil {
		return nil
	}
	err := wait.Sleep(ctx, time.Second)
	if again := lines.SetLines(port.DTR, port.DTR); err == nil {
		err = again
	}
	return err
}
