using System.Net;
using MailKit.Security;

namespace EmailApi.Relays;

/// <summary>AUTH (RFC 4954) by the library's mechanisms, the strongest first; after a refusal the next is tried as well.</summary>
static class RelayLogin
{
    const string Hidden = "********";

    /// <summary>All of them under TLS. Those with a token or a ticket are left out: there is a password.</summary>
    static readonly string[] Known = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"];

    /// <param name="ask">Says a line and reads the reply; the second is what the conversation keeps of it.</param>
    /// <returns>Null when logged in, else the last refusal.</returns>
    /// <exception cref="NotSupportedException">No way to log in is offered that is known here.</exception>
    public static async Task<WireReply?> TryAsync(RelayOffers offers, string user, string password, Func<string, string, Task<WireReply>> ask, CancellationToken cancel)
    {
        WireReply? refusal = null;
        foreach (var name in Known.Intersect(offers.Logins, StringComparer.OrdinalIgnoreCase))
        {
            var mechanism = SaslMechanism.Create(name, new NetworkCredential(user, password))!;
            var first = mechanism.SupportsInitialResponse ? await mechanism.ChallengeAsync(null, cancel) : null;
            var reply = first is null ? await ask($"AUTH {name}", $"AUTH {name}") : await ask($"AUTH {name} {(first.Length == 0 ? "=" : first)}", $"AUTH {name} {Hidden}");
            while (reply.Code == 334) reply = await ask(await mechanism.ChallengeAsync(reply.Text, cancel), Hidden);
            if (reply.Code == 235) return null;
            refusal = reply;
            if (reply.IsClosing) break;
        }

        return refusal ?? throw new NotSupportedException("No way to log in is offered that is known here.");
    }
}
