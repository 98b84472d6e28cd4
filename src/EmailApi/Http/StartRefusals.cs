using System.Net.Sockets;
using EmailApi.Data;

namespace EmailApi.Http;

/// <summary>What ends a start with one sentence for the operator instead of a stack trace.</summary>
static class StartRefusals
{
    public static string? SentenceOf(Exception error) => error switch
    {
        StartRefusedException refused => refused.Message,
        AggregateException { InnerException: { } inner } => SentenceOf(inner),
        IOException { InnerException: Microsoft.AspNetCore.Connections.AddressInUseException } inUse => $"{inUse.Message.TrimEnd('.')}; choose another address with --urls, such as --urls http://localhost:8081.",
        SocketException { SocketErrorCode: SocketError.AccessDenied } denied => $"The HTTP port cannot be listened on ({denied.Message}); choose another address with --urls.",
        FormatException wrong when wrong.Message.StartsWith("Invalid url", StringComparison.Ordinal) => $"--urls is wrong: {wrong.Message.TrimEnd('.')}; give one such as http://localhost:8080.",
        _ => null,
    };
}
