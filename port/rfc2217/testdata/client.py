# pyserial's RFC 2217 client, driven line by line: "python3 client.py URL".
# Each line of standard input is a Python expression or statement about the open
# port p; the answer is one line with its value, or the exception.
import sys
import serial

p = serial.serial_for_url(sys.argv[1], timeout=10)
print("open", flush=True)
for line in sys.stdin:
    try:
        try:
            value = eval(line)
        except SyntaxError:
            exec(line)
            value = None
        print(repr(value), flush=True)
    except Exception as e:
        print("error: %s: %s" % (type(e).__name__, e), flush=True)
p.close()
