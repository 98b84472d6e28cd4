using BenchmarkDotNet.Attributes;
using EmailApi.Emails;
using EmailApi.Relays;

namespace EmailApi.Benchmarks.Pieces;

/// <summary>The message as it goes to the relay, from its stored content: composed, written and its dots stuffed.</summary>
public class ComposePiece
{
    static readonly DateTimeOffset Date = new(2026, 12, 1, 9, 0, 0, TimeSpan.Zero);

    byte[] file = [];
    EmailContent content = null!;

    /// <summary>Bytes of an attachment; 0: none, a mail of 2 KB.</summary>
    [Params(0, 100_000)]
    public int Attachment { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        new Random(1).NextBytes(file = new byte[Attachment]);
        content = new()
        {
            From = new("orders@shop.example", "Shop"),
            To = [new("customer@example.com")],
            Subject = "Order 1 has been shipped",
            Text = string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog, again and again.\n", 30)),
            Attachments = Attachment == 0 ? [] : [new("invoice.pdf", "application/pdf", null, new string('0', 64), Attachment)],
        };
    }

    [Benchmark]
    public long Compose()
    {
        using var message = MimeComposer.Compose(content, "em_1@shop.example", Date, _ => new MemoryStream(file, writable: false));
        using var wire = new WireMessage(message, isUtf8: false);
        return wire.Size;
    }
}
