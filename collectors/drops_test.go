package collectors

import (
	"strings"
	"testing"
)

func TestParseDrops(t *testing.T) {
	const proc = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             
  123: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31415 2 0000000000000000 12        
  124: 00000000:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31416 2 0000000000000000 30        
  200: 0100007F:0143 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 2718 2 0000000000000000 7        
  201: nonsense
`
	f := func(inode, want uint64, known bool) {
		t.Helper()
		if got, found := parseDrops(strings.NewReader(proc), inode); got != want || found != known {
			t.Errorf("inode %d: %d dropped, %v, want %d, %v", inode, got, found, want, known)
		}
	}
	f(31415, 12, true)
	f(31416, 30, true) // of another address on the same port
	f(2718, 7, true)
	f(1, 0, false)
}
