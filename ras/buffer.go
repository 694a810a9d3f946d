package ras

// Buffers that were freed rest until this many others were freed after them,
// so that a script that goes on using one meets ErrBufferInvalid and not the
// memory of somebody else.
const quarantine = 8

// buffer is a Buffer of a Session. Its fields belong to the session's mutex;
// data is written by the script alone while the buffer is out.
type buffer struct {
	owner   *Session
	memory  []byte // all of it; data is its beginning
	data    []byte
	out     bool // granted and not freed
	sending int  // sends that are running from it
}

func (b *buffer) Bytes() []byte { return b.data }

// pool hands out the buffers of one session.
type pool struct {
	out   []*buffer // granted
	freed []*buffer // the oldest first
}

// get grants a zeroed buffer of size bytes.
func (p *pool) get(owner *Session, size int) *buffer {
	b := p.reuse()
	if b == nil {
		b = &buffer{owner: owner}
	}
	if cap(b.memory) < size {
		b.memory = make([]byte, size)
	}
	b.data = b.memory[:size:size]
	clear(b.data)
	b.out = true
	p.out = append(p.out, b)
	return b
}

func (p *pool) reuse() *buffer {
	if len(p.freed) <= quarantine {
		return nil
	}
	b := p.freed[0]
	copy(p.freed, p.freed[1:])
	p.freed[len(p.freed)-1] = nil
	p.freed = p.freed[:len(p.freed)-1]
	return b
}

func (p *pool) put(b *buffer) {
	for i, o := range p.out {
		if o == b {
			last := len(p.out) - 1
			p.out[i], p.out[last] = p.out[last], nil
			p.out = p.out[:last]
			break
		}
	}
	b.out = false
	p.freed = append(p.freed, b)
}

// drop frees what is out and returns how many that were.
func (p *pool) drop() int {
	n := len(p.out)
	for _, b := range p.out {
		b.out = false
	}
	p.out, p.freed = nil, nil
	return n
}
