package ras

// The memory of a buffer that was freed is not granted again until this many
// others were freed after it, so that a script that still writes to it does
// not write into the buffer of another owner.
const quarantine = 8

// grantsPerChunk is how many grants are allocated together: a grant is never
// used twice, and a steady loop of GetBuffer and FreeBuffer would otherwise
// allocate one each time.
const grantsPerChunk = 8

// grant is the Buffer of one GetBuffer. It is valid until it is freed and never
// again, so a handle that was freed cannot name the buffer of a later grant.
//
//	event                  granted (out)        in sends (sending)    left to sends (left)
//	FreeBuffer             freed                616                   late
//	send begins            sending              sending               sending
//	its caller gives up    -                    left                  left
//	send ends              -                    granted               granted, or freed if late
//	Close                  freed, a leak        freed, a leak         freed; a leak unless late
//
// Its fields are guarded by the session's mutex; the bytes of data belong to
// the script while the grant is out.
type grant struct {
	owner   *Session
	memory  []byte
	data    []byte // the beginning of memory, as much as was requested
	out     bool   // granted and not freed
	sending int    // sends that read from it
	left    int    // of those, the ones whose caller has stopped waiting for them
	late    bool   // freed by the script while such a send went on
}

// Bytes returns the memory of the grant, or nil once it was freed.
func (g *grant) Bytes() []byte { return g.data }

// pool hands out the buffers of one session.
type pool struct {
	grants []*grant // granted and not freed
	chunk  []grant  // not handed out yet
	freed  [][]byte // memory, the oldest first
}

// get grants a zeroed buffer of size bytes.
func (p *pool) get(owner *Session, size int) *grant {
	if len(p.chunk) == 0 {
		p.chunk = make([]grant, grantsPerChunk)
	}
	g := &p.chunk[0]
	p.chunk = p.chunk[1:]
	var memory []byte
	if len(p.freed) > quarantine {
		memory = p.freed[0]
		n := copy(p.freed, p.freed[1:])
		p.freed[n] = nil
		p.freed = p.freed[:n]
	}
	if cap(memory) < size {
		memory = make([]byte, size)
	}
	clear(memory[:size])
	g.owner, g.memory, g.data, g.out = owner, memory, memory[:size:size], true
	p.grants = append(p.grants, g)
	return g
}

// put ends a grant, whose memory may be granted again after the quarantine.
func (p *pool) put(g *grant) {
	for i, o := range p.grants {
		if o == g {
			last := len(p.grants) - 1
			p.grants[i], p.grants[last] = p.grants[last], nil
			p.grants = p.grants[:last]
			break
		}
	}
	p.freed = append(p.freed, g.memory)
	g.out, g.data, g.memory = false, nil, nil
}

// drop frees what is out and returns how many grants the script has not freed.
// The memory of those that a send still reads stays theirs.
func (p *pool) drop() (leaked int) {
	for _, g := range p.grants {
		if !g.late {
			leaked++
		}
		g.out = false
	}
	p.grants, p.freed = nil, nil
	return leaked
}
