package dll

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/rasline/rasline/ras"
)

// The child process and its parent exchange messages over two pipes: the
// child requests callbacks, and the parent replies. Neither trusts the length
// or the contents of what it reads; the child runs the code of a DLL.

// kind is the meaning of a message.
type kind uint8

const (
	// From the parent.
	mStart  kind = iota + 1 // data: the job; value: flags
	mReply                  // id: of the request; code; buffer, value: granted; data: retrieved
	mSignal                 // id: of the receive that has a result
	mCancel                 // code: why the run is over

	// From the child. The first identifies it as one, and the next six are
	// requests with an id.
	mHello    // value: protocolVersion
	mGet      // value: the size
	mFree     // buffer
	mSend     // buffer, data
	mReceive  // buffer, limit
	mRetrieve // buffer
	mSetComm  // value: the size; data: parity, stop bits, byte size
	mTrace    // id: the callback; value: the size; limit; code
	mDone     // code; value: buffers leaked; limit: buffers damaged; data: the credentials
	mFailed   // code; data: the operation and the reason why the DLL did not return
)

// protocolVersion distinguishes builds that do not understand each other.
const protocolVersion = 2

// The flags in mStart's value.
const (
	flagTrace  = 1 << iota // send mTrace messages
	flagStrict             // let buffers end where the inaccessible page begins
)

// message has the fields of all kinds of messages. Those that its kind does not
// name are zero.
type message struct {
	kind   kind
	id     uint32
	buffer uint32
	value  uint32
	limit  uint32 // milliseconds
	code   ras.Code
	data   []byte
}

const (
	messageHeader = 4 + 1 + 5*4 // the length of what follows, the kind, the numbers

	// maxMessage bounds the data of a message. A job is the largest: paths of
	// 32,767 characters and parameters.
	maxMessage = 1 << 19
)

// appendTo appends the message as it is on the pipe.
func (m *message) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(messageHeader-4+len(m.data)))
	b = append(b, byte(m.kind))
	for _, n := range []uint32{m.id, m.buffer, m.value, m.limit, uint32(m.code)} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return append(b, m.data...)
}

// errProtocol is the cause of every error of a pipe that is not one of reading
// or writing.
var errProtocol = errors.New("the child process violates the protocol")

// readMessage reads one message. At the end of the stream it returns io.EOF,
// and within a message io.ErrUnexpectedEOF.
func readMessage(r io.Reader) (message, error) {
	var h [messageHeader]byte
	if _, err := io.ReadFull(r, h[:4]); err != nil {
		return message{}, err
	}
	length := binary.LittleEndian.Uint32(h[:])
	if length < messageHeader-4 || length > messageHeader-4+maxMessage {
		return message{}, fmt.Errorf("%w: a message of %d bytes", errProtocol, length)
	}
	if _, err := io.ReadFull(r, h[4:]); err != nil {
		return message{}, unexpected(err)
	}
	m := message{
		kind:   kind(h[4]),
		id:     binary.LittleEndian.Uint32(h[5:]),
		buffer: binary.LittleEndian.Uint32(h[9:]),
		value:  binary.LittleEndian.Uint32(h[13:]),
		limit:  binary.LittleEndian.Uint32(h[17:]),
		code:   ras.Code(binary.LittleEndian.Uint32(h[21:])),
	}
	if length == messageHeader-4 {
		return m, nil
	}
	m.data = make([]byte, length-(messageHeader-4))
	_, err := io.ReadFull(r, m.data)
	return m, unexpected(err)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// messageWriter writes messages. It may be used by several goroutines.
type messageWriter struct {
	mu  sync.Mutex // guards what follows
	w   io.Writer
	buf []byte
}

func (w *messageWriter) write(m message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = m.appendTo(w.buf[:0])
	_, err := w.w.Write(w.buf)
	clear(w.buf) // credentials may have been in it
	return err
}

// encodeJob returns the job as the data of mStart.
func encodeJob(j *job) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(j.port))
	b = binary.LittleEndian.AppendUint64(b, j.window)
	b = binary.LittleEndian.AppendUint32(b, uint32(j.header))
	p := &j.params
	return appendTexts(b, j.path, j.phonebook, j.entry,
		p.EntryName, p.PhoneNumber, p.CallbackNumber, p.UserName, p.Password.Reveal(), p.Domain)
}

func decodeJob(b []byte) (*job, error) {
	if len(b) < 20 {
		return nil, fmt.Errorf("%w: a job of %d bytes", errProtocol, len(b))
	}
	j := &job{port: ras.Handle(binary.LittleEndian.Uint64(b)), window: binary.LittleEndian.Uint64(b[8:]),
		header: Header(binary.LittleEndian.Uint32(b[16:]))}
	var password string
	p := &j.params
	err := decodeTexts(b[20:], &j.path, &j.phonebook, &j.entry,
		&p.EntryName, &p.PhoneNumber, &p.CallbackNumber, &p.UserName, &password, &p.Domain)
	p.Password = ras.Secret(password)
	return j, err
}

// encodeResult returns the credentials as the data of mDone.
func encodeResult(r *result) []byte {
	return appendTexts(nil, r.userName, r.password.Reveal(), r.domain)
}

func decodeResult(m message) (*result, error) {
	r := &result{code: m.code, leaked: int(m.value), damaged: int(m.limit)}
	var password string
	err := decodeTexts(m.data, &r.userName, &password, &r.domain)
	r.password = ras.Secret(password)
	return r, err
}

func appendTexts(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t)))
		b = append(b, t...)
	}
	return b
}

// decodeTexts reads exactly as many texts as there are places for them.
func decodeTexts(b []byte, texts ...*string) error {
	for _, t := range texts {
		if len(b) < 4 {
			return fmt.Errorf("%w: a text is missing", errProtocol)
		}
		n := binary.LittleEndian.Uint32(b)
		if b = b[4:]; uint64(n) > uint64(len(b)) {
			return fmt.Errorf("%w: a text is cut off", errProtocol)
		}
		*t, b = string(b[:n]), b[n:]
	}
	if len(b) > 0 {
		return fmt.Errorf("%w: %d bytes too many", errProtocol, len(b))
	}
	return nil
}

// job is one run of a DLL: the parameters of RasCustomScriptExecute.
type job struct {
	path      string // of the DLL, absolute
	port      ras.Handle
	phonebook string
	entry     string
	window    uint64
	header    Header
	params    ras.DialParams
}

// result is the result of the DLL's run.
type result struct {
	code     ras.Code // what RasCustomScriptExecute returned
	userName string
	password ras.Secret
	domain   string
	leaked   int // buffers that were not freed
	damaged  int // buffers that were written past their end
}

// endCode returns the code of the callbacks of a run whose context has ended.
func endCode(ctx context.Context) ras.Code {
	if code, ok := context.Cause(ctx).(ras.Code); ok {
		return code
	}
	return ras.CodeOf(ras.ContextError(ctx))
}
