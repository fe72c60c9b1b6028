package s3

import "net/http"

// transport bounds how long a server may be silent.
func transport(t *http.Transport) {
	t.ResponseHeaderTimeout = headerTimeout
	t.MaxIdleConnsPerHost = 4
}
