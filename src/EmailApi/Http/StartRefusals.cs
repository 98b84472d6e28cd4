using System.Net.Sockets;
using EmailApi.Data;
using Microsoft.Extensions.Options;

namespace EmailApi.Http;

/// <summary>What ends a start with one sentence for the operator instead of a stack trace.</summary>
static class StartRefusals
{
    public static string? SentenceOf(Exception error) => error switch
    {
        StartRefusedException refused => refused.Message,
        OptionsValidationException invalid => $"A setting is wrong: {string.Join(" ", invalid.Failures)}",
        AggregateException { InnerException: { } inner } => SentenceOf(inner),
        IOException { InnerException: Microsoft.AspNetCore.Connections.AddressInUseException } inUse => $"{inUse.Message.TrimEnd('.')}; choose another address with --urls, such as --urls http://localhost:8081.",
        SocketException { SocketErrorCode: SocketError.AccessDenied } denied => $"The HTTP port cannot be listened on ({denied.Message}); choose another address with --urls.",
        InvalidOperationException { InnerException: FormatException } wrong => $"A setting is wrong: {wrong.Message}",
        _ => null,
    };
}
