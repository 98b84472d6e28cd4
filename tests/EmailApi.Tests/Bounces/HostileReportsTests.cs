using System.Text;
using EmailApi.Bounces;

namespace EmailApi.Tests.Bounces;

/// <summary>Bytes by strangers: nothing is thrown and little is spent, whatever they are. Memory is counted, time is not: a busy machine would decide.</summary>
public class HostileReportsTests
{
    const string Header = "From: MAILER-DAEMON@x.example\r\nTo: a@sender.example\r\nSubject: Undelivered Mail\r\n";
    const string Status = Header + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n";

    public static TheoryData<string, string, string, int> Attacks => new()
    {
        { "a million parts", Header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n\r\nx\r\n", 1_000_000 },
        { "a million nested parts", Header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", 1_000_000 },
        { "nested messages", Header, "Content-Type: message/rfc822\r\n\r\n", 500_000 },
        { "50 MB of text", Header + "\r\n", "0123456789 abcdef\r\n", 2_600_000 },
        { "50 MB in a line", "", "a", 50_000_000 },
        { "50 MB in a field", "Subject: ", "a", 50_000_000 },
        { "a folded field", Header + "Content-Type: multipart/report;\r\n", " a=b;\r\n", 1_000_000 },
        { "parameters", Header + "Content-Type: multipart/report;", "a*0*=utf-8''%41;", 200_000 },
        { "fields", "", "A: b\r\n", 4_000_000 },
        { "encoded words", "Subject: ", "=?utf-8?B?", 500_000 },
        { "groups of addresses", "From: MAILER-DAEMON\r\nTo: ", "a:", 1_000_000 },
        { "comments", "From: MAILER-DAEMON\r\nTo: ", "(", 1_000_000 },
        { "at signs", Header + "\r\n550 could not be delivered ", "@", 2_000_000 },
        { "addresses", Header + "\r\ncould not be delivered\r\n", "a@b.example: 550 no\r\n", 200_000 },
        { "quotation marks", Header + "\r\n", "\"@", 1_000_000 },
        { "tags", Header + "Content-Type: text/html\r\n\r\n", "<style>", 300_000 },
        { "recipients", Status, "Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n", 100_000 },
        { "a folded diagnostic", Status + "Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nDiagnostic-Code: smtp; 550\r\n", " x\r\n", 500_000 },
        { "quoting", Status, ">", 2_000_000 },
        { "brackets of JSON", Header + "\r\n{\"notificationType\":", "[", 100_000 },
        { "zeros", "", "\0", 10_000_000 },
        { "empty lines", "", "\r\n", 5_000_000 },
    };

    [Theory]
    [MemberData(nameof(Attacks))]
    public void A_huge_message_costs_little_memory(string what, string start, string repeated, int times)
    {
        var message = new Repeating(Encoding.UTF8.GetBytes(start), Encoding.UTF8.GetBytes(repeated), times);
        var before = GC.GetAllocatedBytesForCurrentThread();

        var report = BounceReader.Read(message, CancellationToken.None);

        var spent = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(spent < 50_000_000, $"{what}: {spent:N0} bytes");
        Assert.True(message.Position <= 2 * 1024 * 1024, $"{what}: {message.Position:N0} bytes were read");
        Assert.True(report.Recipients.Count <= BounceReport.MaxRecipients);
    }

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData("From ")]
    [InlineData("\uFEFF")]
    [InlineData("--\r\n--\r\n")]
    [InlineData("Content-Type: multipart/report; boundary=\r\n\r\n--\r\n")]
    [InlineData("Content-Type: text/plain; charset=\"\r\n\r\n\u001b$B\u001b$B")]
    [InlineData("Content-Type: message/rfc822; charset=x\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!")]
    [InlineData("From: MAILER-DAEMON\r\nSubject: =?x?Q?=?= =?utf-8?B?!?=\r\n\r\n{\"notificationType\":\"Bounce\",\"bounce\":3,\"mail\":[]}")]
    [InlineData("From: MAILER-DAEMON\r\nSubject: x\r\n\r\n{\"notificationType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":[3,null,{\"emailAddress\":5,\"status\":\"9\"}]}}")]
    public void Odd_bytes_are_no_error(string message) => Assert.NotNull(BounceMessages.Read(message));

    [Fact]
    public void Damaged_reports_are_no_error()
    {
        var random = new Random(3464);
        var whole = Encoding.UTF8.GetBytes(BounceMessages.Report("Final-Recipient: rfc822; taro@example.net\nAction: failed\nStatus: 5.1.1"));
        for (var n = 0; n < 2000; n++)
        {
            var damaged = whole.ToList();
            for (var hits = random.Next(1, 20); hits > 0; hits--)
            {
                var at = random.Next(damaged.Count);
                if (random.Next(3) is 0) damaged.RemoveRange(at, Math.Min(random.Next(40), damaged.Count - at));
                else damaged.Insert(at, (byte)random.Next(256));
                if (damaged.Count is 0) damaged.Add(0);
            }
            Assert.NotNull(BounceMessages.Read([.. damaged]));
        }
    }

    [Fact]
    public void Who_gives_up_is_obeyed() =>
        Assert.Throws<OperationCanceledException>(() => BounceReader.Read(new MemoryStream("A: b\r\n"u8.ToArray()), new CancellationToken(canceled: true)));

    /// <summary>A long stream that takes no memory of its own.</summary>
    sealed class Repeating(byte[] start, byte[] repeated, int times) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => start.Length + ((long)repeated.Length * times);
        public override long Position { get; set; }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var n = 0;
            for (; n < buffer.Length && Position < Length; n++, Position++)
                buffer[n] = Position < start.Length ? start[Position] : repeated[(Position - start.Length) % repeated.Length];
            return n;
        }

        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
