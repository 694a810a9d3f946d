package telnet

// Commands (RFC 854, "TELNET command structure"). Each follows an IAC.
const (
	SE   byte = 240 // end of a sub-negotiation
	NOP  byte = 241 // no operation
	DM   byte = 242 // data mark
	BRK  byte = 243 // break
	IP   byte = 244 // interrupt process
	AO   byte = 245 // abort output
	AYT  byte = 246 // are you there
	EC   byte = 247 // erase character
	EL   byte = 248 // erase line
	GA   byte = 249 // go ahead
	SB   byte = 250 // begin of a sub-negotiation
	WILL byte = 251 // the sender offers an option for itself
	WONT byte = 252 // the sender does not use an option
	DO   byte = 253 // the sender asks the other side to use an option
	DONT byte = 254 // the sender asks the other side not to use an option
	IAC  byte = 255 // interpret as command
)

// Options that a remote port meets.
const (
	Binary     byte = 0  // RFC 856: eight bits a byte, no end-of-line rules
	Echo       byte = 1  // RFC 857
	SGA        byte = 3  // RFC 858: suppress go ahead
	TimingMark byte = 6  // RFC 860: an answer says that all before it was processed
	ComPort    byte = 44 // RFC 2217
)

const (
	cr  byte = '\r'
	nul byte = 0
)
