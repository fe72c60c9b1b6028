package ec2sim

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
)

// A protocol is the form of a service's answers.
type protocol interface {
	encode(v *service, action, request string, result any) ([]byte, error)
	refuse(v *service, request string, e *apiError) ([]byte, error)
	contentType() string
}

// An ec2Protocol answers <ActionResponse><requestId/>...</ActionResponse>; a
// result carries the request's ID itself, for it is its first element.
type ec2Protocol struct{}

// A stamped result is EC2's.
type stamped interface{ stamp(request string) }

type meta struct {
	RequestID string `xml:"requestId"`
}

func (m *meta) stamp(request string) { m.RequestID = request }

func (ec2Protocol) contentType() string { return "text/xml;charset=UTF-8" }

func (ec2Protocol) encode(v *service, action, request string, result any) ([]byte, error) {
	if r, ok := result.(stamped); ok {
		r.stamp(request)
	}
	return element(xml.Name{Space: v.space, Local: action + "Response"}, result)
}

// ec2Error is in no namespace, with RequestID in capitals.
type ec2Error struct {
	Code      string `xml:"Errors>Error>Code"`
	Message   string `xml:"Errors>Error>Message"`
	RequestID string `xml:"RequestID"`
}

func (ec2Protocol) refuse(_ *service, request string, e *apiError) ([]byte, error) {
	return element(xml.Name{Local: "Response"}, ec2Error{e.code, e.message, request})
}

// A queryProtocol is that of Auto Scaling, ELB and STS: the result in an
// element of its own, and lists of <member>.
type queryProtocol struct{}

func (queryProtocol) contentType() string { return "text/xml" }

func (queryProtocol) encode(v *service, action, request string, result any) ([]byte, error) {
	type wrapped struct {
		Result    any
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}
	b, err := element(xml.Name{Space: v.space, Local: action + "Response"}, wrapped{named{action + "Result", result}, request})
	return b, err
}

// named is a value in an element whose name is known when it runs.
type named struct {
	name  string
	value any
}

// MarshalXML leaves the element out where there is no value.
func (n named) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	if n.value == nil {
		return nil
	}
	return e.EncodeElement(n.value, xml.StartElement{Name: xml.Name{Local: n.name}})
}

type queryError struct {
	Type      string `xml:"Error>Type"`
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	RequestID string `xml:"RequestId"`
}

func (queryProtocol) refuse(v *service, request string, e *apiError) ([]byte, error) {
	blame := "Sender"
	if statusOf(e.code) >= http.StatusInternalServerError {
		blame = "Receiver"
	}
	return element(xml.Name{Space: v.space, Local: "ErrorResponse"}, queryError{blame, e.code, e.message, request})
}

// A jsonProtocol is that of SSM.
type jsonProtocol struct{}

func (jsonProtocol) contentType() string { return "application/x-amz-json-1.1" }

func (jsonProtocol) encode(_ *service, _, _ string, result any) ([]byte, error) {
	return json.Marshal(result)
}

type jsonError struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func (jsonProtocol) refuse(_ *service, _ string, e *apiError) ([]byte, error) {
	return json.Marshal(jsonError{e.code, e.message})
}

// element marshals a value under a name of its own.
func element(name xml.Name, value any) ([]byte, error) {
	var b strings.Builder
	b.WriteString(xml.Header)
	err := xml.NewEncoder(&b).EncodeElement(value, xml.StartElement{Name: name})
	return []byte(b.String()), err
}
