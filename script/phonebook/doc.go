// Package phonebook reads the dial-up entries that people already have, and makes
// each a dialup.Entry:
//
//	wvdial.conf      the configuration of wvdial(1)
//	peers/NAME       an options file of pppd(8) with its connect script
//	rasphone.pbk     the phone book of Windows' Remote Access Service
//
//	book, err := phonebook.ReadFile("/etc/wvdial.conf", nil)
//	…
//	entry, findings, err := book.Entry(nil, "office")
//	…
//	conn, err := dialup.Dial(ctx, entry, nil)
//
// What an entry holds is used, or a finding with its file and line reports that it
// is not. An entry that is no call over a serial line (VPN, ISDN, PPPoE) is listed
// as what it is and refused with a sentence. A doubt is an error before anything is
// dialled: no port is guessed, and no script is run that might be the wrong one.
//
// Scripts of an entry are chat commands, sections of SWITCH.INF, .scp files and, on
// Windows, custom-scripting DLLs. Their files are looked up in EntryConfig.Scripts
// and nowhere else.
//
// PPP itself remains pppd's: the words meant for it are in Entry.PPP.
//
// # Differences from the programs
//
// wvdial: see the comment of KindWvdial; pppd: that of KindPeers.
package phonebook
