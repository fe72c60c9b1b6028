package sns

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/text"
)

// Bounds of a message.
const (
	maxSubject     = 100
	maxMessage     = 256<<10 - 2<<10 // attributes count too
	defaultTimeout = 10 * time.Second
	maxTimeout     = time.Minute
)

// Config is a topic.
type Config struct {
	Topic     string        `yaml:"topic"`      // its ARN
	Region    string        `yaml:"region"`     // default that of the ARN
	Endpoint  string        `yaml:"endpoint"`   // of what stands for AWS: http(s)://host[:port]
	AccessKey string        `yaml:"access_key"` // with secret_key: nothing is read from AWS's usual places
	SecretKey notify.Secret `yaml:"secret_key"`
	Subject   string        `yaml:"subject"` // template; default "title"
	Message   string        `yaml:"message"` // template; default "text"
	Timeout   time.Duration `yaml:"timeout"` // of one try; default 10s
}

// Validate says what is wrong, each with its key.
func (c Config) Validate() error {
	var errs []error
	if p := strings.SplitN(c.Topic, ":", 6); len(p) != 6 || p[0] != "arn" || p[2] != "sns" || p[3] == "" || p[5] == "" {
		errs = append(errs, errors.New("topic: want arn:aws:sns:REGION:ACCOUNT:NAME"))
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		errs = append(errs, errors.New("access_key and secret_key go together"))
	}
	if c.Endpoint != "" {
		if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, errors.New("endpoint: want http(s)://host[:port]"))
		}
	}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("timeout %v: want at most %v", c.Timeout, maxTimeout))
	}
	var s text.Set
	s.Text("subject", c.Subject, "title")
	s.Text("message", c.Message, "text")
	return errors.Join(append(errs, s.Err())...)
}

// A Sender publishes to a topic. It implements notify.Sender.
type Sender struct {
	config           Config
	publish          publishing
	subject, message *text.Template
}

// publishing is the operation of the SDK's client that is called. The client
// itself must not be part of a type that reflection could reach: beside
// html/template, which calls methods by their names, the linker would keep all
// of its operations.
type publishing func(context.Context, *awssns.PublishInput, ...func(*awssns.Options)) (*awssns.PublishOutput, error)

// New makes the sender of a valid configuration. It makes no call.
func New(ctx context.Context, c Config) (*Sender, error) {
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	conf, err := load(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("sns: %w", err)
	}
	var s text.Set
	sender := &Sender{config: c, subject: s.Text("subject", c.Subject, "title"), message: s.Text("message", c.Message, "text")}
	client := awssns.NewFromConfig(conf, func(o *awssns.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	sender.publish = client.Publish
	return sender, s.Err()
}

// load returns the SDK's configuration. It does not try again by itself: the
// outbox does, and counts it.
func load(ctx context.Context, c Config) (aws.Config, error) {
	region := cmp.Or(c.Region, strings.Split(c.Topic, ":")[3])
	once := func() aws.Retryer { return aws.NopRetryer{} }
	client := awshttp.NewBuildableClient().WithTimeout(c.Timeout)
	if c.AccessKey != "" {
		return aws.Config{
			Region: region, Retryer: once, HTTPClient: client,
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, string(c.SecretKey), ""),
		}, nil
	}
	return config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithRetryer(once),
		config.WithHTTPClient(client), config.WithLogger(logging.Nop{}))
}

// Send implements notify.Sender.
func (s *Sender) Send(ctx context.Context, n notify.Notice) error {
	in, err := s.input(n)
	if err != nil {
		return alerts.Permanent(fmt.Errorf("sns: %w", err))
	}
	if _, err := s.publish(ctx, in); err != nil {
		return judge(err)
	}
	return nil
}

func (s *Sender) input(n notify.Notice) (*awssns.PublishInput, error) {
	d := text.Of(n)
	subject, err := s.subject.Line(d, 4*maxSubject)
	if err != nil {
		return nil, err
	}
	message, err := s.message.Execute(d, maxMessage)
	if err != nil {
		return nil, err
	}
	in := &awssns.PublishInput{
		TopicArn: &s.config.Topic, Subject: aws.String(ascii(subject)), Message: aws.String(cmp.Or(strings.TrimSpace(message), subject, "-")),
		MessageAttributes: map[string]types.MessageAttributeValue{"key": attribute(n.Key), "status": attribute(d.Status)},
	}
	if v := n.CommonLabels.Get(notify.SeverityLabel); v != "" {
		in.MessageAttributes["severity"] = attribute(v)
	}
	if strings.HasSuffix(s.config.Topic, ".fifo") {
		in.MessageDeduplicationId, in.MessageGroupId = hash(n.Key), hash(n.GroupKey)
	}
	return in, nil
}

func attribute(v string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v}
}

// hash makes an id of at most 128 letters and digits, as SNS wants them.
func hash(s string) *string { return aws.String(fmt.Sprintf("%x", sha256.Sum256([]byte(s)))) }

// ascii makes a subject as SNS takes it: printable ASCII, beginning with a
// letter or digit, at most 100 characters.
func ascii(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	s = strings.TrimLeft(s, " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
	if len(s) > maxSubject {
		s = s[:maxSubject-3] + "..."
	}
	return cmp.Or(strings.TrimSpace(s), "alert")
}

// judge says whether an error is worth another try: what SNS says of the
// request itself is final, and so is that we may not; keys may yet come.
func judge(err error) error {
	said := fmt.Errorf("sns: %w", err)
	if strings.Contains(err.Error(), "get credentials: ") { // it has no type
		return fmt.Errorf("sns: no keys were found (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws, or access_key and secret_key): %w", err)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return said
	}
	if resp, ok := errors.AsType[*awshttp.ResponseError](err); ok && (resp.HTTPStatusCode() >= http.StatusInternalServerError || resp.HTTPStatusCode() == http.StatusTooManyRequests) {
		return said
	}
	switch api.ErrorCode() {
	case "Throttling", "ThrottledException", "ThrottlingException", "KMSThrottling", "RequestExpired", "ExpiredToken", "ExpiredTokenException", "RequestTimeTooSkewed":
		return said
	}
	return alerts.Permanent(said)
}
