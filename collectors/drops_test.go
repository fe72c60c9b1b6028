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
	for port, want := range map[int]uint64{8125: 42, 323: 7, 1: 0} {
		if got := parseDrops(strings.NewReader(proc), port); got != want {
			t.Errorf("port %d: %d dropped, want %d", port, got, want)
		}
	}
}
