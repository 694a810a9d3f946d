package ras

import (
	"context"
	"errors"

	"github.com/rasline/rasline/port"
)

// SetCommSettings implements API. It takes its turn among the sends, since
// earlier output must leave first, and is bounded as they are: a line that is
// held off ends it with ErrRequestTimeout.
func (s *Session) SetCommSettings(h Handle, c CommSettings) error {
	mode, err := s.checkSettings(h, c)
	if err != nil {
		return err
	}
	setter, ok := s.port.(port.ModeSetter)
	if !ok {
		return &Error{Op: opSetComm, Code: ErrNotSupported, Err: errors.ErrUnsupported}
	}
	ctx := context.Background()
	if err := s.takeTurn(ctx, opSetComm); err != nil {
		return err
	}
	defer s.endTurn()
	if err := setter.SetMode(mode); err != nil {
		return s.settingsError(setter, err)
	}
	return nil
}

func (s *Session) checkSettings(h Handle, c CommSettings) (port.Mode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkHandle(opSetComm, h); err != nil {
		return port.Mode{}, err
	}
	mode, err := c.Mode()
	if err == nil && s.cause != nil {
		err = s.failure(opSetComm)
	}
	return mode, err
}

// settingsError gives the error of a port's SetMode its code. A driver that
// refuses a value does so with errors.ErrUnsupported too, but it has a mode.
func (s *Session) settingsError(setter port.ModeSetter, err error) error {
	_, noMode := setter.Mode()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cause != nil:
		return s.failure(opSetComm)
	case errors.Is(err, errors.ErrUnsupported) && errors.Is(noMode, errors.ErrUnsupported):
		return &Error{Op: opSetComm, Code: ErrNotSupported, Err: err}
	case isTimeout(err):
		return &Error{Op: opSetComm, Code: ErrRequestTimeout, Err: err}
	}
	return &Error{Op: opSetComm, Code: ErrCannotSetPortInfo, Err: err}
}
