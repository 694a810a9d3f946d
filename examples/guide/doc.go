// Package guide has recipes for users of other programs, each with an
// example that runs. It holds no code to import.
//
// # From a custom-scripting DLL in C
//
// RasCustomScriptExecute becomes a script.Executor, and its parameters a ras.Call.
// Call by call:
//
//	RasGetBuffer(&p, &n)             b, err := call.GetBuffer(0); b.Bytes()
//	RasFreeBuffer(p)                 call.FreeBuffer(b)
//	RasSendBuffer(port, p, n)        call.SendBuffer(call.Port, b, n)
//	RasReceiveBuffer(port, p, &n,    call.ReceiveBuffer(call.Port, b, timeout, event)
//	    timeout, hEvent)
//	WaitForSingleObject(hEvent)      <-event.C()
//	RasRetrieveBuffer(port, p, &n)   n, err := call.RetrieveBuffer(call.Port, b)
//	RasSetCommSettings(port, &s)     call.SetCommSettings(call.Port, s)
//	hWnd, a dialogue                 call.Terminal, an io.ReadWriter
//	return ERROR_…                   return ras.Err…; nil is SUCCESS
//
// Give the limit to ReceiveBuffer and wait for the event alone: the callback then
// ends the receive, and RetrieveBuffer reports ras.ErrRequestTimeout. What a script
// has received after its match is given back with Call.Unread. Example_rawExecutor
// is such a script; Example_dialog is the same on script.Dialog, which does all of
// that by itself. A DLL whose source is lost runs as it is: package script/dll.
//
// # From pppd and chat
//
// chat(8)'s scripts run unchanged (package script/chat), and
//
//	pppd /dev/ttyUSB0 115200 connect 'rasdial -port - -script isp.chat' …
//
// runs one in the place of chat. A peers file is dialled without pppd by
//
//	rasdial -phonebook isp -exec 'pppd notty nodetach noauth'
//
// where the login is checked before dialling, a lost carrier is seen, and passwords
// are in no log. In Go: phonebook.ReadFile, Book.Entry and dialup.Dial.
//
// # From wvdial
//
// The file stays: rasdial -phonebook /etc/wvdial.conf office, or with KEY=VALUE
// after the name. wvdial's start of pppd is -exec, its Auto Reconnect -persist.
// phonebook.KindWvdial lists what is different.
//
// # From pyserial and pexpect
//
//	serial.Serial(name, 9600, timeout=1)    port.Open(ctx, name, &port.Config{Mode: port.Mode{Baud: 9600}})
//	serial.serial_for_url(url)              portname.Open(ctx, url, nil)
//	s.timeout = 1                           p.SetReadDeadline(time.Now().Add(time.Second))
//	s.read_until(b"> ")                     Dialog.WaitFor(ctx, limit, script.Text("> "))
//	child.expect(["login:", "busy"])        Dialog.WaitFor(ctx, limit, script.Text("login:"), script.Text("busy"))
//	child.before                            Match.Before, whole however the stream was cut
//	serial.tools.list_ports                 port.List, rasdial -list-ports
//	spy://                                  capture.Record, rasdial -record
//
// A wait that ends by its limit is an error, and what it has read is there for the
// next one. Example_table reads a table up to the prompt.
//
// # From picocom, miniterm and tio
//
//	rasdial -port /dev/ttyUSB0 -mode 115200,8N1 -interact
//
// talks to a port (Ctrl-] leaves), and with -script FILE.chat logs in before that:
// what the others leave to expect. It accepts every kind of port, and -record keeps
// what passed.
//
// # Programs
//
// A pool of modems that reads meters (Example_meters), consoles on RFC 2217
// (Example_consoles), a port of one's own (Example_ownPort), the hand-over to pppd
// (dialup.Conn.Handover). Each is shorter than sixty lines.
//
// # Testing with fake time
//
// A script runs in testing/synctest against package script/scripttest over a pair
// of package port/virtual, where a timeout of 45 seconds passes in microseconds; see
// TestSilentHost in this package's source, and package script/scripttest.
package guide
