// Package match scans a byte stream once for many patterns at a time.
//
// A [Set] is compiled from texts and regular expressions. A [Scanner] carries
// one wait for any of them over however many pieces the stream arrives in: it
// stops on the first byte that completes a pattern, and any other cut of the
// same bytes gives the same hits at the same bytes.
//
// # Texts
//
// Texts run as one deterministic Aho-Corasick automaton whose row for a state
// has a column for every class of bytes that the texts do not distinguish. A
// byte costs one step whatever the bytes are, so no input is worse than
// linear. While nothing has begun to match, a filter examines samples of three
// bytes, up to eight bytes apart, and skips what cannot be part of a text.
//
// A state takes four bytes for each class and sixteen more, and a text has a
// state for each of its bytes: at most a kilobyte for a byte of text, usually a
// tenth of it. Tables of six kilobytes belong to every set. Folded texts and
// exact ones that are used together get an automaton each.
//
// # Regular expressions
//
// A regular expression runs as a list of threads over its compiled program
// (Pike's construction), rune by rune, in time linear in the input and memory
// linear in the program. It completes as early as it can: a+ completes on the
// first a. Assertions about what follows have no meaning on a stream that has
// not arrived, and Compile refuses them.
package match
