package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"rondo/alerts/notify"
)

// Sign adds the headers of a signature to those of a request.
func Sign(header map[string]string, secret notify.Secret, now time.Time, body []byte) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	header[TimestampHeader] = timestamp
	header[SignatureHeader] = signature(secret, timestamp, body)
}

func signature(secret notify.Secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

func parseTimestamp(s string) (time.Time, error) {
	sec, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(sec, 0), err
}
