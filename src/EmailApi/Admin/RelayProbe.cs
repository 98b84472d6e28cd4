using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using EmailApi.Relays;

namespace EmailApi.Admin;

/// <summary>Goes as far with a relay as can be gone without a mail or a password: name, connection, banner, EHLO, TLS, AUTH offered. Stops
/// at the first thing that is wrong.</summary>
/// <param name="setting">The relay's settings, such as <c>EmailApi__Relays__0</c>.</param>
sealed class RelayProbe(RelayOptions relay, string setting, TimeProvider clock)
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    static readonly TimeSpan ExpiresSoon = TimeSpan.FromDays(14);

    readonly List<Finding> findings = [];

    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancel)
    {
        var step = "TCP";
        try
        {
            if (!await ResolveAsync(cancel)) return findings;
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await WithinAsync(limit => socket.ConnectAsync(relay.Host, relay.Port, limit).AsTask(), cancel);
            Ok(step, $"{relay.Host}:{relay.Port} takes the connection");

            using var dialogue = new SmtpWire(new NetworkStream(socket), new());
            step = "TLS";
            if (relay.Security is RelaySecurity.Tls && !await SecureAsync(dialogue, cancel)) return findings;
            step = "banner";
            if (!Expect(step, 220, await WithinAsync(limit => dialogue.ReadAsync(limit).AsTask(), cancel))) return findings;
            step = "EHLO";
            var offers = await WithinAsync(limit => dialogue.SayAsync("EHLO [127.0.0.1]", limit), cancel);
            if (!Expect(step, 250, offers)) return findings;
            if (relay.Security is RelaySecurity.StartTls)
            {
                step = "STARTTLS";
                if (!offers.Offers("STARTTLS"))
                    return Wrong(step, "is not offered, so the relay gets no mail", $"switch it on at the relay, or set {setting}__Security to tls (usually with port 465), or to none for a relay on this machine that needs no password");
                if (!Expect(step, 220, await WithinAsync(limit => dialogue.SayAsync("STARTTLS", limit), cancel)) || !await SecureAsync(dialogue, cancel)) return findings;
                offers = await WithinAsync(limit => dialogue.SayAsync("EHLO [127.0.0.1]", limit), cancel);
            }

            CheckLogin(offers);
            await WithinAsync(dialogue.LeaveAsync, cancel);
        }
        catch (Exception error) when (error is SocketException or IOException or TimeoutException or AuthenticationException)
        {
            Wrong(step, error.GetBaseException().Message, step switch
            {
                "TCP" => $"see that the relay runs, that a firewall lets this machine reach it, and that {setting}__Port is right",
                "banner" when relay.Security is not RelaySecurity.Tls => $"see the relay's log; a port that speaks TLS from the first byte (usually 465) needs {setting}__Security=tls",
                "TLS" => $"see that the port speaks TLS from the first byte (usually 465); port 587 needs {setting}__Security=starttls",
                _ => "see the relay's log",
            });
        }

        return findings;
    }

    async Task<bool> ResolveAsync(CancellationToken cancel)
    {
        if (IPAddress.TryParse(relay.Host, out _)) return true;
        try
        {
            var addresses = await WithinAsync(limit => Dns.GetHostAddressesAsync(relay.Host, limit), cancel);
            Ok("DNS", $"{relay.Host} is {string.Join(", ", addresses.Select(a => a.ToString()))}");
            return true;
        }
        catch (Exception error) when (error is SocketException or TimeoutException)
        {
            Wrong("DNS", $"{relay.Host} has no address ({error.Message})", $"correct {setting}__Host, or this machine's resolver");
            return false;
        }
    }

    async Task<bool> SecureAsync(SmtpWire dialogue, CancellationToken cancel)
    {
        X509Certificate2? seen = null;
        var (errors, chainFaults) = (SslPolicyErrors.None, "");
        try
        {
            await WithinAsync(limit => dialogue.SecureAsync(relay.Host, (_, shown, chain, policy) =>
            {
                (seen, errors) = (shown is null ? null : X509CertificateLoader.LoadCertificate(shown.GetRawCertData()), policy);
                chainFaults = string.Join(", ", (chain?.ChainStatus ?? []).Select(s => s.StatusInformation.Trim().TrimEnd('.')).Distinct());
                return policy is SslPolicyErrors.None;
            }, limit), cancel);
        }
        catch (AuthenticationException) when (seen is not null)
        {
            // Refused above; what is wrong with it is said below.
        }


        using var certificate = seen;
        if (certificate is null) { Wrong("TLS", "the relay shows no certificate", "give it one"); return false; }
        var until = certificate.NotAfter.ToUniversalTime();
        var (date, now) = (until.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), clock.GetUtcNow());
        if (until <= now) Wrong("certificate", $"expired on {date}", "renew it at the relay");
        else if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            Wrong("certificate", $"is for {NamesOf(certificate)}, not for {relay.Host}", $"set {setting}__Host to a name that it is for");
        else if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
            Wrong("certificate", $"nobody whom this machine trusts vouches for it ({chainFaults})", "let the relay send its whole chain, or add its authority to this machine's trusted ones (or name a file of them in SSL_CERT_FILE)");
        else if (until - now < ExpiresSoon) Wrong("certificate", $"expires on {date}", "renew it at the relay");
        else
        {
            Ok("TLS", $"{dialogue.Tls?.SslProtocol}, the certificate is valid until {date}");
            return true;
        }

        return false;
    }

    void CheckLogin(WireReply reply)
    {
        if (relay.Username is not { Length: > 0 }) return;
        if (reply.Offers("AUTH")) Ok("AUTH", $"{reply.Line("AUTH")} is offered");
        else Wrong("AUTH", "is not offered, though there are a user name and a password", $"leave {setting}__Username and {setting}__Password out, or use the relay's port for submission (usually 587 or 465)");
    }

    bool Expect(string step, int code, WireReply reply)
    {
        if (reply.Code == code) Ok(step, $"{reply.Code} {reply.Lines[0]}");
        else Wrong(step, $"the relay answers {reply.Code} {string.Join(' ', reply.Lines)}", "see the relay's log, and whether it lets this machine in");
        return reply.Code == code;
    }

    void Ok(string step, string text) => findings.Add(Finding.Ok($"relay {relay.Name} {step}", text));

    List<Finding> Wrong(string step, string text, string todo)
    {
        findings.Add(Finding.Wrong($"relay {relay.Name} {step}", text, todo));
        return findings;
    }

    static string NamesOf(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(e => e.EnumerateDnsNames()).Take(5).ToList();
        return names.Count > 0 ? string.Join(", ", names) : certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false);
    }

    static async Task WithinAsync(Func<CancellationToken, Task> work, CancellationToken cancel) =>
        await WithinAsync(async limit => { await work(limit); return true; }, cancel);

    /// <exception cref="TimeoutException">It took longer than 10 s.</exception>
    static async Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Limit);
        try
        {
            return await work(limit.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new TimeoutException($"no answer within {Limit.TotalSeconds:0} s");
        }
    }
}
