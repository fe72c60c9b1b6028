package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
)

// Config says which S3 and whose. What is empty comes from AWS's usual
// places: environment (AWS_REGION, AWS_ENDPOINT_URL, ...), shared files,
// instance role.
type Config struct {
	Endpoint  string `yaml:"endpoint"` // of a server that is not AWS's: http(s)://host[:port]
	Region    string `yaml:"region"`
	AccessKey string `yaml:"access_key"` // with secret_key: nothing is read from AWS's usual places
	SecretKey string `yaml:"secret_key"`
	// PathStyle names the bucket in the path instead of the host name. Unset
	// it is true where an endpoint is given.
	PathStyle *bool `yaml:"path_style"`
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return errors.New("s3: access_key and secret_key go together")
	}
	if c.Endpoint != "" {
		if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("s3: endpoint: want http(s)://host[:port]")
		}
	}
	return nil
}

// ParseURL takes s3://bucket/prefix apart.
func ParseURL(text string) (bucket, prefix string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", "", errors.New("s3: want s3://bucket/prefix")
	}
	return u.Host, strings.Trim(u.Path, "/"), nil
}

const (
	attempts   = 5
	maxBackoff = 10 * time.Second
	// partBytes is the size of a part, and up to where an object is sent
	// whole; S3 takes 10,000 parts.
	partBytes = 16 << 20
	// tryTimeout bounds one try of sending a part: 16 MiB at 64 KB/s.
	tryTimeout    = 4 * time.Minute
	headerTimeout = 30 * time.Second
)

// A Bucket is a bucket, or what of it lies below a prefix. It is safe for
// concurrent use.
type Bucket struct {
	client       operations
	name, prefix string
}

// New makes a client for the objects of a bucket below a prefix, which may be
// empty. It makes no call.
func New(ctx context.Context, c Config, bucket, prefix string) (*Bucket, error) {
	return connect(ctx, c, bucket, prefix, maxBackoff)
}

// connect is New with the longest pause between two tries.
func connect(ctx context.Context, c Config, bucket, prefix string, backoff time.Duration) (*Bucket, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	conf, err := load(ctx, c, backoff)
	if err != nil {
		return nil, err
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	client := awss3.NewFromConfig(conf, func(o *awss3.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		o.UsePathStyle = o.BaseEndpoint != nil
		if c.PathStyle != nil {
			o.UsePathStyle = *c.PathStyle
		}
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	return &Bucket{client: operationsOf(client), name: bucket, prefix: prefix}, nil
}

// load returns the SDK's configuration. With keys of its own it does not look
// at the environment or at files.
func load(ctx context.Context, c Config, backoff time.Duration) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(transport)
	retryer := func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attempts, backoff
		})
	}
	if c.AccessKey != "" {
		if c.Region == "" {
			c.Region = defaultRegion
		}
		return aws.Config{
			Region: c.Region, Retryer: retryer, HTTPClient: client,
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, ""),
		}, nil
	}
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(retryer), config.WithHTTPClient(client), config.WithDefaultRegion(defaultRegion),
		config.WithLogger(logging.Nop{}), // it would write to stderr what errors say as well
	}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	conf, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return conf, fmt.Errorf("s3: %w", err)
	}
	return conf, nil
}

// defaultRegion is what servers other than AWS's mostly expect.
const defaultRegion = "us-east-1"

// Put stores an object: whole, or not at all.
func (b *Bucket) Put(ctx context.Context, name string, body io.Reader) error {
	part := make([]byte, 0, 64<<10)
	part, more, err := readPart(part, body)
	switch {
	case err != nil:
	case more:
		err = b.putParts(ctx, name, part, body)
	default:
		err = b.try(ctx, func(ctx context.Context) error {
			_, err := b.client.put(ctx, &awss3.PutObjectInput{
				Bucket: &b.name, Key: b.key(name), Body: bytes.NewReader(part), ContentLength: aws.Int64(int64(len(part))),
			})
			return err
		})
	}
	if err != nil {
		return b.failed("put", name, err)
	}
	return nil
}

// readPart reads the next part, and says whether there may be more.
func readPart(buf []byte, r io.Reader) (part []byte, more bool, err error) {
	w := bytes.NewBuffer(buf[:0])
	n, err := io.CopyN(w, r, partBytes)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return w.Bytes(), n == partBytes, err
}

// putParts sends an object in parts. Where that fails they are taken back, so
// that they do not stay and cost.
func (b *Bucket) putParts(ctx context.Context, name string, part []byte, body io.Reader) error {
	up, err := b.client.createUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &b.name, Key: b.key(name)})
	if err != nil {
		return err
	}
	done, err := b.sendParts(ctx, up, part, body)
	if err == nil {
		_, err = b.client.completeUpload(ctx, &awss3.CompleteMultipartUploadInput{
			Bucket: &b.name, Key: up.Key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		})
	}
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), headerTimeout)
	defer cancel()
	_, abort := b.client.abortUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &b.name, Key: up.Key, UploadId: up.UploadId})
	return errors.Join(err, abort)
}

func (b *Bucket) sendParts(ctx context.Context, up *awss3.CreateMultipartUploadOutput, part []byte, body io.Reader) ([]types.CompletedPart, error) {
	var done []types.CompletedPart
	for more := true; len(part) > 0; {
		number := aws.Int32(int32(len(done) + 1))
		err := b.try(ctx, func(ctx context.Context) error {
			out, err := b.client.uploadPart(ctx, &awss3.UploadPartInput{
				Bucket: &b.name, Key: up.Key, UploadId: up.UploadId, PartNumber: number,
				Body: bytes.NewReader(part), ContentLength: aws.Int64(int64(len(part))),
			})
			if err == nil {
				done = append(done, types.CompletedPart{ETag: out.ETag, PartNumber: number})
			}
			return err
		})
		if err != nil || !more {
			return done, err
		}
		if part, more, err = readPart(part, body); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// try bounds a request with all its tries.
func (b *Bucket) try(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attempts*tryTimeout)
	defer cancel()
	return f(ctx)
}

// Get opens an object; fs.ErrNotExist where there is none.
func (b *Bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	out, err := b.client.get(ctx, &awss3.GetObjectInput{Bucket: &b.name, Key: b.key(name)})
	if err != nil {
		return nil, b.failed("get", name, err)
	}
	return out.Body, nil
}

// List calls each with the objects whose names begin with a prefix, in order
// of their names.
func (b *Bucket) List(ctx context.Context, prefix string, each func(name string, size int64, changed time.Time) error) error {
	pages := awss3.NewListObjectsV2Paginator(b.client.list, &awss3.ListObjectsV2Input{Bucket: &b.name, Prefix: b.key(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return b.failed("list", prefix, err)
		}
		for _, o := range page.Contents {
			name := strings.TrimPrefix(aws.ToString(o.Key), b.prefix)
			if err := each(name, aws.ToInt64(o.Size), aws.ToTime(o.LastModified)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Delete removes an object. That it is not there is no error.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	_, err := b.client.delete(ctx, &awss3.DeleteObjectInput{Bucket: &b.name, Key: b.key(name)})
	if err = b.failed("delete", name, err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (b *Bucket) key(name string) *string { return aws.String(b.prefix + name) }

// failed says where something failed, nil if it did not.
func (b *Bucket) failed(what, name string, err error) error {
	if err == nil {
		return nil
	}
	if _, missing := errors.AsType[*types.NoSuchKey](err); missing {
		err = fs.ErrNotExist
	}
	if strings.Contains(err.Error(), "get credentials: ") { // it has no type
		err = fmt.Errorf("no keys were found (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws, or access_key and secret_key): %w", err)
	}
	return fmt.Errorf("s3: %s s3://%s/%s%s: %w", what, b.name, b.prefix, name, err)
}
