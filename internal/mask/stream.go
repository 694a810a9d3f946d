package mask

import (
	"math/bits"
	"slices"
)

// Stream hides the secrets of a Masker in a stream that arrives in pieces. It
// holds back what may be the beginning of a secret until it is clear whether it
// is one, or until Flush. It is for use by one goroutine at a time.
type Stream struct {
	masker *Masker
	forms  []*formState
	has    [2][256]uint64 // by view, plain and strip, and character: the forms that have it
	active uint64         // forms whose state a character changes that they do not have
	short  []*formState   // of expected echoes; they end at the next line end
	heard  int            // announcements of the masker that were applied
	plain  view
	strip  view

	held   []byte // not shown yet
	hidden []bool // for each byte of held
	base   int    // offset of held[0] in the stream
	marked bool   // the byte before held[0] was hidden
	clear  int    // offset of the first byte that can still become hidden
	live   int    // offset of the first byte that must be held; -1: none
	hide   int    // offset from which Flush hides what is held; -1: nothing
}

// Stream returns a new stream of the masker's secrets, those that are added
// later included.
func (m *Masker) Stream() *Stream {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := new(Stream)
	s.start(m)
	s.heard = m.before + len(m.short)
	return s
}

func (s *Stream) start(m *Masker) {
	s.masker = m
	s.short = nil
	s.plain, s.strip = view{}, view{strip: true}
	s.held, s.hidden, s.base, s.clear, s.marked = s.held[:0], s.hidden[:0], 0, 0, false
	s.live, s.hide = -1, -1
	s.active = ^uint64(0)
	for _, f := range s.forms {
		f.reset()
	}
}

// sync adds the secrets that were added to the masker. The masker is locked.
func (s *Stream) sync() {
	for len(s.forms) < len(s.masker.forms) {
		i := len(s.forms)
		f := newFormState(s.masker.forms[i])
		s.forms = append(s.forms, f)
		if i >= indexed {
			continue
		}
		view := &s.has[0]
		if f.strip {
			view = &s.has[1]
		}
		for c := range view {
			if f.head[c] >= 0 {
				view[c] |= 1 << i
			}
		}
		s.active |= 1 << i
	}
	for m := s.masker; s.heard < m.before+len(m.short); s.heard++ {
		if s.heard >= m.before && s != m.whole {
			s.expect(m.short[s.heard-m.before])
		}
	}
}

// indexed is how many forms have a bit in has and active. Those that follow are
// stepped by every character.
const indexed = 64

func (s *Stream) expect(secret string) {
	for _, strip := range [...]bool{false, true} {
		if text := fold([]byte(secret), strip); len(text) > 0 {
			s.short = append(s.short, newFormState(newForm(text, len(text), strip, true)))
		}
	}
}

// Hold adds b to the stream and holds it back. A stream that holds all of its
// text is one whose text is whole and is shown in pieces by the caller; see
// Hidden.
func (s *Stream) Hold(b []byte) {
	s.masker.mu.Lock()
	s.sync()
	s.masker.mu.Unlock()
	s.holdAll(b)
}

// Hidden reports for each byte that is held back whether it must not be shown.
// The beginning of a secret at the end of the text must not, as with Flush.
func (s *Stream) Hidden() []bool {
	hidden := slices.Clone(s.hidden)
	if s.hide >= 0 {
		for i := max(s.hide-s.base, 0); i < len(hidden); i++ {
			hidden[i] = true
		}
	}
	return hidden
}

func (s *Stream) holdAll(b []byte) {
	for _, c := range b {
		s.hold(c)
		if c == '\n' || c == '\r' {
			s.short = nil
		}
	}
}

// Write adds b to the stream and calls emit with what may be shown now.
func (s *Stream) Write(b []byte, emit func([]byte)) {
	s.WritePieces(b, func(b []byte, hidden, more bool) { show(b, hidden, more, emit) })
}

// show calls emit with a piece or its mark.
func show(b []byte, hidden, more bool, emit func([]byte)) {
	switch {
	case !hidden:
		emit(b)
	case !more:
		emit([]byte(Mark))
	}
}

// WritePieces is Write for a caller that has to know where the secrets were: it
// calls emit with every byte of the stream, in order, and whether it must not be
// shown. more is set for a hidden piece that continues the hidden one before it.
func (s *Stream) WritePieces(b []byte, emit func(b []byte, hidden, more bool)) {
	s.masker.mu.Lock()
	s.sync()
	var f *filter
	if len(b) >= worthwhile {
		f = s.masker.filter()
	}
	s.masker.mu.Unlock()
	if len(s.forms) == 0 && len(s.short) == 0 && len(s.held) == 0 {
		if len(b) > 0 {
			emit(b, false, false)
			s.base += len(b)
			s.marked = false
		}
		return
	}
	for i, next := 0, 0; i < len(b); i++ {
		if i >= next && len(b)-i >= worthwhile && f != nil {
			if next = i + between; s.quiet() {
				n, until := s.skip(b[i:], f)
				i, next = i+n, i+until
			}
		}
		c := b[i]
		s.hold(c)
		if c == '\n' || c == '\r' {
			s.short = nil
		}
		// What is shown after each byte does not depend on how the stream is cut.
		decided := s.base + len(s.held)
		if s.live >= 0 {
			decided = min(decided, s.live)
		}
		s.clear = max(s.clear, decided)
	}
	s.emit(max(s.clear-s.base, 0), emit)
}

// Flush shows what is held back, because nothing may follow for long. The
// beginning of a secret is hidden from its second byte on; a single byte gives
// nothing away. What follows is hidden if it continues the piece.
func (s *Stream) Flush(emit func([]byte)) {
	s.FlushPieces(func(b []byte, hidden, more bool) { show(b, hidden, more, emit) })
}

// FlushPieces is Flush for a caller that has to know where the secrets were; see
// WritePieces.
func (s *Stream) FlushPieces(emit func(b []byte, hidden, more bool)) {
	if s.hide >= 0 {
		for i := max(s.hide-s.base, 0); i < len(s.held); i++ {
			s.hidden[i] = true
		}
	}
	s.emit(len(s.held), emit)
}

// hold adds a byte and marks what has become recognisable.
func (s *Stream) hold(c byte) {
	at := s.base + len(s.held)
	s.held, s.hidden = append(s.held, c), append(s.hidden, false)
	plain, skipPlain := s.plain.next(c)
	strip, skipStrip := s.strip.next(c)
	if skipPlain && skipStrip {
		return
	}
	s.live, s.hide = -1, -1
	// Most forms do not have the character and are in no piece: they are left
	// alone.
	todo := s.active
	if !skipPlain {
		todo |= s.has[0][plain]
	}
	if !skipStrip {
		todo |= s.has[1][strip]
	}
	if n := len(s.forms); n < indexed {
		todo &= 1<<n - 1
	}
	for ; todo != 0; todo &= todo - 1 {
		i := bits.TrailingZeros64(todo)
		if s.step(s.forms[i], at, plain, strip, skipPlain, skipStrip) {
			s.active |= 1 << i
		} else {
			s.active &^= 1 << i
		}
	}
	for i := indexed; i < len(s.forms); i++ {
		s.step(s.forms[i], at, plain, strip, skipPlain, skipStrip)
	}
	for _, f := range s.short {
		s.step(f, at, plain, strip, skipPlain, skipStrip)
	}
}

// step gives a character to a form and reports whether the next one changes its
// state whatever it is.
func (s *Stream) step(f *formState, at int, plain, strip byte, skipPlain, skipStrip bool) bool {
	in, skip := plain, skipPlain
	if f.strip {
		in, skip = strip, skipStrip
	}
	if !skip {
		var from int
		from, f.live, f.hide = f.step(in, at)
		if from >= 0 {
			for i := max(max(from, s.clear)-s.base, 0); i < len(s.held); i++ {
				s.hidden[i] = true
			}
		}
	}
	s.live, s.hide = earlier(s.live, f.live), earlier(s.hide, f.hide)
	return skip || !f.idle
}

// hideEnds hides the end of a secret at the start of a text, and a piece of one
// that fills it.
func (s *Stream) hideEnds() {
	for _, f := range s.forms {
		if n := f.headEnd; n > 0 {
			for i := range min(n, len(s.hidden)) {
				s.hidden[i] = true
			}
		}
		if f.fills() {
			for i := range s.hidden {
				s.hidden[i] = true
			}
		}
	}
}

// emit passes on the first n bytes that are held.
func (s *Stream) emit(n int, emit func(b []byte, hidden, more bool)) {
	for i := 0; i < n; {
		j := i
		for j < n && s.hidden[j] == s.hidden[i] {
			j++
		}
		emit(s.held[i:j], s.hidden[i], s.hidden[i] && i == 0 && s.marked)
		s.marked = s.hidden[j-1]
		i = j
	}
	s.held = append(s.held[:0], s.held[n:]...)
	s.hidden = append(s.hidden[:0], s.hidden[n:]...)
	s.base += n
}
