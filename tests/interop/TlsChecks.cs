using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>STARTTLS with a Postfix whose certificate nobody has signed.</summary>
static class TlsChecks
{
    public static async Task RunAsync(Checks checks, WorkFolder folder, Database database)
    {
        var cancel = checks.Cancel;
        var (certificate, key) = (folder["certificate.pem"], folder["key.pem"]);
        WriteCertificate(certificate, key);
        await using var mailbox = await Mailbox.StartAsync(folder, "mailbox-tls", cancel, new Dictionary<string, string>
        {
            ["smtpd_tls_security_level"] = "encrypt",
            ["smtpd_tls_cert_file"] = certificate,
            ["smtpd_tls_key_file"] = key,
        });
        var settings = EmailApiServer.RelaySettings(mailbox.Port, 5);
        settings["EmailApi__Relays__0__Security"] = "starttls";

        await checks.CheckAsync("STARTTLS with a certificate that is not trusted: deferred, nothing is sent", async () =>
        {
            await using var app = await EmailApiServer.StartAsync(folder, await database.CreateAsync(cancel), settings, cancel);
            var email = await app.WaitForAsync(await app.SendAsync(Api.Mail($"taro@{Mailbox.Domain}"), cancel), "deferred", cancel);

            var attempt = (await app.GetAsync($"/v1/emails/{email.GetProperty("id").GetString()}/attempts", cancel)).GetProperty("data")[0];
            Checks.Equal("deferred", attempt.GetProperty("outcome").GetString(), "the attempt's outcome");
            Checks.True(!mailbox.Log.Contains("client=", StringComparison.Ordinal), "Postfix was given a mail.");
        });

        await checks.CheckAsync("STARTTLS with the same certificate, trusted: sent, and the attempt names the cipher", async () =>
        {
            var trusting = new Dictionary<string, string>(settings) { ["SSL_CERT_FILE"] = certificate };
            await using var app = await EmailApiServer.StartAsync(folder, await database.CreateAsync(cancel), trusting, cancel);
            var email = await app.WaitForAsync(await app.SendAsync(Api.Mail($"taro@{Mailbox.Domain}"), cancel), "sent", cancel);

            await mailbox.ReadAsync(email.GetProperty("message_id").GetString()!, 1, cancel);
            var attempt = (await app.GetAsync($"/v1/emails/{email.GetProperty("id").GetString()}/attempts", cancel)).GetProperty("data")[0];
            Checks.True(attempt.GetProperty("tls").GetString() is { Length: > 0 }, $"The attempt names no cipher: {attempt}");
        });
    }

    static void WriteCertificate(string certificateFile, string keyFile)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=postfix.example", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
    }
}
