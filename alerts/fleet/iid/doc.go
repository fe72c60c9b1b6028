// Package iid reads EC2's instance identity documents and verifies that EC2
// signed them. The document says which instance this is, of which account and
// region, with which private address, launched when; any process on the
// instance can have it from the metadata service, and nobody else can make one.
//
// # Which of the three signatures
//
// EC2 signs the document three times: RSA with 1024 bits (signature), DSA over
// SHA-1 (pkcs7), and RSA with 2048 bits over SHA-256 (rsa2048). Only the last is
// taken here. It is a PKCS #7 SignedData (RFC 2315, RFC 5652) that holds the
// document itself, in base64 without armor:
//
//	ContentInfo
//	  signedData
//	    SignedData
//	      version, {sha256}
//	      data: OCTET STRING, in pieces      the document, JSON
//	      SignerInfo
//	        issuer and serial                not looked at
//	        [0] attributes: contentType, messageDigest, signingTime, ...
//	        signature over the attributes as a SET
//
// It is written with lengths that are not known ahead (BER, not DER), so
// encoding/asn1 cannot read it.
//
// # Whom to believe
//
// No chain of certificates leads anywhere: EC2 has one certificate for each
// region, which signs itself and which the EC2 User Guide lists ("AWS public
// certificates for instance identity document signatures"). They are in aws.pem,
// as they stood in August 2026. A certificate that comes with the signature is
// never looked at. The region that the document claims chooses the certificate;
// a lie about it chooses the wrong one.
//
// # What a document does not say
//
// It stays the same while the instance runs, and holds no word of who presents
// it. Whoever has seen it can present it again: who accepts it must also look at
// where it comes from, when the instance was launched, and whether that has been
// retired.
package iid
