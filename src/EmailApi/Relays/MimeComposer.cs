using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using EmailApi.Emails;
using MimeKit;

namespace EmailApi.Relays;

/// <summary>Makes the message that goes to the relay. The same email gives the same bytes each time, so a retry sends what the first
/// attempt sent and <c>/raw</c> shows what was sent: nothing here depends on the time, the machine or chance.</summary>
/// <remarks>The bytes are 7-bit clean with lines of at most 78 octets where there is a place to fold, so no relay needs 8BITMIME; only a
/// UTF-8 local part in a header asks for SMTPUTF8. There is no Bcc: whoever is not in To or Cc stands in the envelope alone.</remarks>
public static class MimeComposer
{
    /// <summary>How every message is written: to a relay, into a signature and at <c>/raw</c>.</summary>
    public static FormatOptions Wire { get; } = new() { NewLineFormat = NewLineFormat.Dos, EnsureNewLine = true };

    /// <param name="messageId"><c>id@domain</c>, with or without angle brackets.</param>
    /// <param name="date">The Date field, to the second.</param>
    /// <param name="open">Gives an attachment's bytes as a seekable stream; the message owns it and disposes it with itself.</param>
    /// <param name="only">With separate envelopes: the one recipient that this copy names; nobody sees the others.</param>
    /// <exception cref="ArgumentException">An address, header name or Message-ID that the validators would refuse.</exception>
    public static MimeMessage Compose(
        EmailContent content, string messageId, DateTimeOffset date, Func<AttachmentPart, Stream> open, Mailbox? only = null)
    {
        var id = messageId.StartsWith('<') ? messageId : $"<{messageId}>";
        if (id.AsSpan().ContainsAnyExceptInRange('!', '~') || id.IndexOf('>', StringComparison.Ordinal) != id.Length - 1)
            throw new ArgumentException("A Message-ID is printable ASCII without spaces: id@domain.", nameof(messageId));

        var body = Body(content, id, open);
        return new MimeMessage(Headers(content, id, date, only), body);
    }

    /// <summary>The message as bytes, lines ended by CRLF.</summary>
    public static byte[] ToBytes(MimeMessage message)
    {
        using var stream = new MemoryStream(4096);
        message.WriteTo(Wire, stream);
        return stream.ToArray();
    }

    /// <summary>True when a header names a UTF-8 local part, so that only a relay with SMTPUTF8 can take the message (RFC 6531 §3.2).
    /// The envelope's addresses are asked apart: <see cref="Address.NeedsSmtpUtf8"/>.</summary>
    public static bool NeedsSmtpUtf8(EmailContent content, Mailbox? only = null) =>
        Address.NeedsSmtpUtf8(content.From.Email)
        || (only is null ? Any(content.To) || Any(content.Cc) : Address.NeedsSmtpUtf8(only.Email))
        || Any(content.ReplyTo);

    static bool Any(IReadOnlyList<Mailbox> mailboxes)
    {
        foreach (var mailbox in mailboxes)
            if (Address.NeedsSmtpUtf8(mailbox.Email)) return true;
        return false;
    }

    static List<Header> Headers(EmailContent content, string id, DateTimeOffset date, Mailbox? only)
    {
        var writer = new HeaderWriter();
        var headers = new List<Header>(8 + content.Headers.Count);
        void Add() => headers.Add(Parse(writer));
        void AddText(string name, string value)
        {
            writer.Begin(name);
            writer.Text(value);
            Add();
        }
        void AddMailboxes(string name, IReadOnlyList<Mailbox> mailboxes)
        {
            if (mailboxes.Count == 0) return;
            writer.Begin(name);
            for (var i = 0; i < mailboxes.Count; i++) writer.Mailbox(mailboxes[i].Name, Checked(mailboxes[i].Email), first: i == 0);
            Add();
        }

        AddText("Date", Rfc5322Date(date));
        AddMailboxes("From", [content.From]);
        AddMailboxes("To", only is null ? content.To : [only]);
        if (only is null) AddMailboxes("Cc", content.Cc);
        if (only is null && content.To.Count == 0 && content.Cc.Count == 0) AddText("To", "undisclosed-recipients:;");
        AddMailboxes("Reply-To", content.ReplyTo);
        if (content.ReceiptTo is { } reader) AddMailboxes("Disposition-Notification-To", [new(reader)]);
        AddText("Subject", content.Subject);
        writer.Begin("Message-ID");
        writer.Word(id);
        Add();
        foreach (var header in content.Headers)
        {
            if (HeaderRules.NameRefusal(header.Name) is { } refusal) throw new ArgumentException(refusal, nameof(content));
            AddText(header.Name, header.Value);
        }
        return headers;
    }

    static Header Parse(HeaderWriter writer)
    {
        var (bytes, length) = writer.End();
        return Header.TryParse(ParserOptions.Default, bytes, 0, length, out var header)
            ? header
            : throw new InvalidOperationException("A header field did not come out as one.");
    }

    /// <summary>Guards the header against an address that no validator saw: one with a comma in it would name a second recipient.</summary>
    static string Checked(string email) => Address.TryParse(email, out var address, out var error)
        ? Address.ToWire(address)
        : throw new ArgumentException(error, nameof(email));

    static string Rfc5322Date(DateTimeOffset date)
    {
        var offset = date.Offset;
        return string.Create(CultureInfo.InvariantCulture,
            $"{date:ddd, dd MMM yyyy HH:mm:ss} {(offset < TimeSpan.Zero ? '-' : '+')}{Math.Abs(offset.Hours):00}{Math.Abs(offset.Minutes):00}");
    }

    /// <summary>mixed [ alternative [ text, related [ html, images ] ], attachments ]; each level only where it is needed.</summary>
    static MimeEntity Body(EmailContent content, string id, Func<AttachmentPart, Stream> open)
    {
        if (content.Attachments.Count == 0 && (content.Html is null || content.Text is null))
            return content.Html is null ? Text("plain", content.Text ?? "") : Text("html", content.Html);

        var boundary = $"=_{Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(id)), 0, 12)}_";
        MimeEntity body = content.Html is null ? Text("plain", content.Text ?? "") : Text("html", content.Html);
        if (content.Html is not null)
        {
            var images = content.Attachments.Where(IsInline).Select(a => File(a, open, inline: true)).ToList();
            if (images.Count > 0)
            {
                body = Multi("related", boundary + "r", [body, .. images]);
                body.ContentType.Parameters.Add("type", "text/html");   // RFC 2387 §3.1
            }
            if (content.Text is not null) body = Multi("alternative", boundary + "a", [Text("plain", content.Text), body]);
        }
        var files = content.Attachments.Where(a => content.Html is null || !IsInline(a)).Select(a => File(a, open, inline: false)).ToList();
        return files.Count == 0 ? body : Multi("mixed", boundary + "m", [body, .. files]);
    }

    static bool IsInline(AttachmentPart part) => part.ContentId is not null;

    static Multipart Multi(string subtype, string boundary, List<MimeEntity> parts)
    {
        var multipart = new Multipart(subtype) { Boundary = boundary };
        foreach (var part in parts) multipart.Add(part);
        return multipart;
    }

    static TextPart Text(string subtype, string text)
    {
        var (bytes, encoding) = TextEncoding.Encode(text);
        var part = new TextPart(subtype)
        {
            ContentTransferEncoding = encoding,
            Content = new MimeContent(new MemoryStream(bytes.Array!, bytes.Offset, bytes.Count, writable: false), encoding),
        };
        part.ContentType.Charset = "utf-8";
        return part;
    }

    /// <summary>Always base64, so that every byte arrives. The name stands twice: RFC 2231 is the standard (Gmail, Outlook since 2010),
    /// <c>name</c> in RFC 2047 form is what older Outlooks and Japanese mail programs read.</summary>
    static MimePart File(AttachmentPart attachment, Func<AttachmentPart, Stream> open, bool inline)
    {
        var name = AttachmentRules.SafeFileName(attachment.FileName);
        var type = Type(attachment.ContentType);
        type.Parameters.Add(new Parameter("name", name) { EncodingMethod = ParameterEncodingMethod.Rfc2047 });
        var part = new MimePart(type)
        {
            ContentTransferEncoding = ContentEncoding.Base64,
            ContentDisposition = new ContentDisposition(inline ? ContentDisposition.Inline : ContentDisposition.Attachment),
            Content = new MimeContent(open(attachment), ContentEncoding.Default),
        };
        part.ContentDisposition.Parameters.Add(new Parameter("filename", name) { EncodingMethod = ParameterEncodingMethod.Rfc2231 });
        if (attachment.ContentId is { } contentId && AttachmentRules.SafeContentId(contentId) is { Length: > 0 } safe)
        {
            var writer = new HeaderWriter();
            writer.Begin("Content-ID");
            writer.Word($"<{safe}>");
            part.Headers.Add(Parse(writer));
        }
        return part;
    }

    /// <summary>The type as given, or application/octet-stream when it is not one. Messages and multiparts too: base64 is forbidden for
    /// them (RFC 2045 §6.4), anything else could change their bytes, and their structure must not become ours.</summary>
    static ContentType Type(string given)
    {
        if (given.AsSpan().ContainsAnyExceptInRange(' ', '~') || given.Length > 200
            || !ContentType.TryParse(given, out var type)
            || type.MediaType.ToLowerInvariant() is "message" or "multipart")
            return new ContentType("application", "octet-stream");

        type.Parameters.Remove("name");
        type.Parameters.Remove("boundary");
        return type;
    }
}
