package rrdfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"rondo/rrd"
)

// The expression of a COMPUTE lies where other data sources have heartbeat and
// limits, four bytes a word: what it is, a byte of nothing, and two bytes with
// a small number or the index of a data source. opEnd ends it.
const (
	opNumber   = 0
	opVariable = 1
	opEnd      = 32

	wordSize = 4
	maxWords = 80 / wordSize // with opEnd
)

// operator is the word of each number, as far as a COMPUTE may have it.
func operator(op byte) string {
	words := [...]string{
		2: "INF", 4: "NEGINF", 5: "UNKN", 6: "NOW", 8: "+", 9: "%", 10: "-", 11: "*", 12: "/", 13: "SIN", 14: "DUP", 15: "EXC",
		16: "POP", 17: "COS", 18: "LOG", 19: "EXP", 20: "LT", 21: "LE", 22: "GT", 23: "GE", 24: "EQ", 25: "IF", 26: "MIN", 27: "MAX",
		28: "LIMIT", 29: "FLOOR", 30: "CEIL", 31: "UN", 34: "NE", 35: "ISINF", 38: "ATAN", 39: "SQRT", 40: "SORT", 41: "REV",
		44: "ATAN2", 45: "RAD2DEG", 46: "DEG2RAD", 49: "AVG", 50: "ABS", 51: "ADDNAN", 52: "MINNAN", 53: "MAXNAN", 54: "MEDIAN",
		56: "DEPTH", 57: "COPY", 58: "ROLL", 59: "INDEX", 65: "SMIN", 66: "SMAX", 67: "STDEV", 68: "PERCENT", 69: "POW",
	}
	if int(op) < len(words) {
		return words[op]
	}
	return ""
}

// decodeExpression reads the expression of a data source that comes after
// others.
func decodeExpression(par []byte, before []rrd.DataSource) (string, error) {
	var words []string
	for ; len(par) >= wordSize && par[0] != opEnd; par = par[wordSize:] {
		n := int16(binary.LittleEndian.Uint16(par[2:]))
		switch op := par[0]; {
		case op == opNumber:
			words = append(words, strconv.Itoa(int(n)))
		case op == opVariable && n >= 0 && int(n) < len(before):
			words = append(words, before[n].Name)
		case operator(op) != "":
			words = append(words, operator(op))
		default:
			return "", fmt.Errorf("word %d of its expression is not known: %x", len(words), par[:wordSize])
		}
	}
	if len(par) < wordSize {
		return "", errors.New("its expression has no end")
	}
	return strings.Join(words, ","), nil
}

// appendExpression appends what decodeExpression reads, padded to its 80
// bytes.
func appendExpression(dst []byte, text string, before []rrd.DataSource) ([]byte, error) {
	words := strings.Split(text, ",")
	if len(words) >= maxWords {
		return dst, fmt.Errorf("the expression of a COMPUTE in a .rrd has at most %d words, and this one %d", maxWords-1, len(words))
	}
	for _, word := range words {
		op, n, err := encodeWord(word, before)
		if err != nil {
			return dst, err
		}
		dst = binary.LittleEndian.AppendUint16(append(dst, op, 0), uint16(n))
	}
	dst = append(dst, opEnd, 0, 0, 0)
	return append(dst, make([]byte, (maxWords-1-len(words))*wordSize)...), nil
}

func encodeWord(word string, before []rrd.DataSource) (op byte, n int16, err error) {
	for op := range byte(math.MaxUint8) {
		if operator(op) == word && word != "" {
			return op, 0, nil
		}
	}
	if v, err := strconv.ParseFloat(word, 64); err == nil {
		if v != math.Trunc(v) || v < math.MinInt16 || v > math.MaxInt16 {
			return 0, 0, fmt.Errorf("constant %s: the expression of a COMPUTE in a .rrd has whole numbers from %d to %d", word, math.MinInt16, math.MaxInt16)
		}
		return opNumber, int16(v), nil
	}
	i := slices.IndexFunc(before, func(d rrd.DataSource) bool { return d.Name == word })
	if i < 0 || i > math.MaxInt16 {
		return 0, 0, fmt.Errorf("%q in the expression has no place in a .rrd", word)
	}
	return opVariable, int16(i), nil
}
