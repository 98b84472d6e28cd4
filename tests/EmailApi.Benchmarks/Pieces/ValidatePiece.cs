using System.Text.Json;
using BenchmarkDotNet.Attributes;
using EmailApi.Emails;
using EmailApi.Http;

namespace EmailApi.Benchmarks.Pieces;

/// <summary>A request of 2 KB: read from its JSON, and checked.</summary>
public class ValidatePiece
{
    readonly byte[] body = JsonSerializer.SerializeToUtf8Bytes(new
    {
        from = "Shop <orders@shop.example>",
        to = new[] { "customer-1@example.com" },
        subject = "Order 1 has been shipped",
        text = new string('x', Load.TextLength),
        tags = new Dictionary<string, string> { ["order"] = "1" },
    });

    readonly SendEmailValidator validator = new(TimeProvider.System);
    readonly SendEmailRequest request;

    public ValidatePiece() => request = ParseJson();

    [Benchmark]
    public SendEmailRequest ParseJson() => JsonSerializer.Deserialize(body, ApiJson.Wire.SendEmailRequest)!;

    [Benchmark]
    public bool Validate() => validator.Validate(request).IsValid ? true : throw new InvalidOperationException("The request is to be valid.");
}
