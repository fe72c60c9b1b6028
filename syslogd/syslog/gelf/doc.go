// Package gelf reads the Graylog Extended Log Format: the JSON objects that
// docker's gelf driver, logback, log4j2, NXLog and many others send over UDP
// and TCP.
//
// # The way of a message
//
//	datagram -> Chunks (reassembly) -> Decoder (decompression, JSON) -> syslog.Message
//	stream   -> Stream (NUL-delimited)  --^
//
// # What becomes of the fields
//
//	GELF                            syslog.Message
//	host                            Host
//	short_message, full_message     Text: the full one, below the short one if it does not begin with it
//	timestamp                       Time; seconds, or milliseconds where seconds would be the year 5000
//	level                           Severity
//	facility (deprecated)           Facility if it is the name of one, else App
//	_app, _application, _app_name,  App, the first of them that is there; they stay in the structured data
//	_program, _tag, _container_name
//	_pid, _process_id               PID, likewise
//	_name and all others            structured data [gelf name="value"], so that the filter sd.name finds them
//
// Without a level a message is a notice: the specification says alert, but
// senders that leave it out do not mean that somebody should be woken. The
// SD-ID has no enterprise number, because this one is ours alone. Numbers stay
// as they were written; objects and lists in a field stay JSON; null is none.
//
// # What is no GELF
//
// Text is never lost. What cannot be read becomes a message with the text as
// received, together with an error whose Reason says how to count it. Nothing
// that comes from the network decides how much memory is used: compressed data
// is unpacked up to Decoder.MaxBytes, and Chunks holds no more than its limits.
package gelf
