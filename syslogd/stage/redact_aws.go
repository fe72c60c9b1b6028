package stage

// What AWS's keys look like.
const (
	accessKeyLength = 20
	secretKeyLength = 40
	// secretKeyVariety is how many different characters one of 10,000 secret
	// keys at most falls short of; paths and names of that length do.
	secretKeyVariety = 22
)

// findAccessKeys finds the identifiers of access keys. It looks for the letter
// that is rarest in texts.
func findAccessKeys(dst []span, s string) []span {
	for i := 0; ; {
		if i = indexFrom(s, 'I', i); i == len(s) {
			return dst
		}
		from, to := i-2, i+1
		for to < len(s) && isUpperAlnum(s[to]) {
			to++
		}
		i = to
		if from < 0 || to-from != accessKeyLength || from > 0 && isUpperAlnum(s[from-1]) {
			continue
		}
		if prefix := s[from : from+4]; prefix == "AKIA" || prefix == "ASIA" {
			dst = append(dst, span{from, to})
		}
	}
}

// findAWSValues finds secret keys and session tokens by their names, such as
// aws_secret_access_key=
func findAWSValues(dst []span, s string) []span { return findNamed(dst, s, isAWSName) }

func isUpperAlnum(c byte) bool { return isDigit(c) || 'A' <= c && c <= 'Z' }

// findSecretKeys finds secret keys that stand alone: runs of 40 characters that
// look drawn at random. Each covers one of every 40 places.
func findSecretKeys(dst []span, s string) []span {
	for i := secretKeyLength - 1; i < len(s); i += secretKeyLength {
		if !isBase64(s[i]) {
			continue
		}
		from, to := i, i+1
		for from > 0 && isBase64(s[from-1]) {
			from--
		}
		for to < len(s) && isBase64(s[to]) {
			to++
		}
		if to-from == secretKeyLength && isRandom(s[from:to]) {
			dst = append(dst, span{from, to})
		}
		i = to
	}
	return dst
}

func isBase64(c byte) bool { return isAlnum(c) || c == '/' || c == '+' }

// isRandom asks for capital and small letters, digits, and variety.
func isRandom(s string) bool {
	var seen [128]bool
	var upper, lower, digit bool
	variety := 0
	for i := range len(s) {
		c := s[i]
		upper = upper || 'A' <= c && c <= 'Z'
		lower = lower || 'a' <= c && c <= 'z'
		digit = digit || isDigit(c)
		if !seen[c] {
			seen[c] = true
			variety++
		}
	}
	return upper && lower && digit && variety >= secretKeyVariety
}

// isAWSName accepts nothing that isSecretName does not.
func isAWSName(name string) bool {
	return endsWith(name, "secretaccesskey") || endsWith(name, "secretkey") ||
		endsWith(name, "sessiontoken") || endsWith(name, "securitytoken")
}
