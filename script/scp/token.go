package scp

// kind is the kind of a token.
type kind uint8

const (
	tEOF     kind = iota
	tBad          // bytes that are no token; the scanner has reported them
	tName         // a variable, label or procedure name
	tSysVar       // $NAME
	tInteger      // a decimal number
	tString       // a text in quotes

	tStar
	tSlash
	tPlus
	tMinus
	tLess
	tGreater
	tLessEqual
	tGreaterEqual
	tEqual
	tNotEqual
	tNot
	tAssign
	tComma
	tColon
	tOpen
	tClose

	// The reserved words, in alphabetical order.
	kAnd
	kBoolean
	kDatabits
	kDelay
	kDo
	kEndif
	kEndproc
	kEndwhile
	kEven
	kFalse
	kGetip
	kGoto
	kHalt
	kIf
	kInteger
	kIpaddr
	kKeyboard
	kMark
	kMatchcase
	kNone
	kOdd
	kOff
	kOn
	kOr
	kParity
	kPort
	kProc
	kRaw
	kScreen
	kSet
	kSpace
	kStopbits
	kString
	kThen
	kTransmit
	kTrue
	kUntil
	kWaitfor
	kWhile

	kinds int = iota
)

// spellings holds how a kind is written; "" for those that vary.
var spellings = [kinds]string{
	tStar: "*", tSlash: "/", tPlus: "+", tMinus: "-", tLess: "<", tGreater: ">",
	tLessEqual: "<=", tGreaterEqual: ">=", tEqual: "==", tNotEqual: "!=",
	tNot: "!", tAssign: "=", tComma: ",", tColon: ":", tOpen: "(", tClose: ")",

	kAnd: "and", kBoolean: "boolean", kDatabits: "databits", kDelay: "delay",
	kDo: "do", kEndif: "endif", kEndproc: "endproc", kEndwhile: "endwhile",
	kEven: "even", kFalse: "FALSE", kGetip: "getip", kGoto: "goto",
	kHalt: "halt", kIf: "if", kInteger: "integer", kIpaddr: "ipaddr",
	kKeyboard: "keyboard", kMark: "mark", kMatchcase: "matchcase",
	kNone: "none", kOdd: "odd", kOff: "off", kOn: "on", kOr: "or",
	kParity: "parity", kPort: "port", kProc: "proc", kRaw: "raw",
	kScreen: "screen", kSet: "set", kSpace: "space", kStopbits: "stopbits",
	kString: "string", kThen: "then", kTransmit: "transmit", kTrue: "TRUE",
	kUntil: "until", kWaitfor: "waitfor", kWhile: "while",
}

// words finds a reserved word by its lower-case spelling.
var words = func() map[string]kind {
	m := make(map[string]kind)
	for k := kAnd; int(k) < kinds; k++ {
		m[fold(spellings[k])] = k
	}
	return m
}()

// longestWord is the length of the longest reserved word.
const longestWord = len("matchcase")

// token is a piece of the source, by place.
type token struct {
	kind     kind
	cut      bool // a string without its closing quote
	pos, end int32
	line     int32 // counted from 1
	num      int64 // the value of an integer, at most tooLarge
}

// tooLarge stands for every integer above the largest that may be written,
// 2147483648 after a minus sign.
const tooLarge = 1<<31 + 1

func (k kind) reserved() bool { return k >= kAnd }

// starts reports whether k begins a command, a declaration or the end of a
// block, so that reading can go on there after a mistake.
func (k kind) starts() bool {
	switch k {
	case kBoolean, kDelay, kEndif, kEndproc, kEndwhile, kGetip, kGoto, kHalt,
		kIf, kInteger, kProc, kSet, kString, kTransmit, kWaitfor, kWhile:
		return true
	}
	return false
}

// fold returns s with A to Z in lower case and every other byte as it is.
func fold(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
