using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using EmailApi.Http;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;
using Microsoft.Extensions.Options;

namespace EmailApi.Data;

/// <summary>The 32 bytes that wrap the key ring in the database: from the settings, else a file in the data directory made at the first start.</summary>
public sealed class MasterKey
{
    const int Bytes = 32;
    readonly Lazy<byte[]> key;

    public MasterKey(IOptions<AppOptions> options) => key = new(() => Load(options.Value));

    public byte[] Value => key.Value;

    /// <summary>Where it is kept when no setting gives it.</summary>
    public static string PathOf(AppOptions options) => Path.Combine(Path.GetFullPath(options.DataDirectory), "master.key");

    static byte[] Load(AppOptions options)
    {
        if (options.MasterKey is { } given) return Parse(given)!;   // the settings were checked at the start

        var path = PathOf(options);
        return Parse(PrivateFile.ReadOrCreate(path, () => Convert.ToBase64String(RandomNumberGenerator.GetBytes(Bytes))))
            ?? throw new StartRefusedException($"{path} does not hold 32 bytes as base64: bring back the key that the database was made with.");
    }

    /// <returns>The key; null when the text is not 32 bytes as base64.</returns>
    internal static byte[]? Parse(string text)
    {
        var bytes = new byte[Bytes + 1];
        return Convert.TryFromBase64String(text.Trim(), bytes, out var length) && length == Bytes ? bytes[..Bytes] : null;
    }
}

/// <summary>Encrypts the elements of the key ring with the master key (AES-256-GCM).</summary>
sealed class MasterKeyEncryptor(MasterKey master) : IXmlEncryptor
{
    public EncryptedXmlInfo Encrypt(XElement plaintextElement)
    {
        var plain = Encoding.UTF8.GetBytes(plaintextElement.ToString(SaveOptions.DisableFormatting));
        var nonce = RandomNumberGenerator.GetBytes(AesGcm.NonceByteSizes.MaxSize);
        var (cipher, tag) = (new byte[plain.Length], new byte[AesGcm.TagByteSizes.MaxSize]);
        using var aes = new AesGcm(master.Value, tag.Length);
        aes.Encrypt(nonce, plain, cipher, tag);
        return new(new XElement("masterKey", Convert.ToBase64String([.. nonce, .. tag, .. cipher])), typeof(MasterKeyDecryptor));
    }
}

/// <summary>The other way. Made by the key ring, by name.</summary>
sealed class MasterKeyDecryptor(IServiceProvider services) : IXmlDecryptor
{
    public XElement Decrypt(XElement encryptedElement)
    {
        var bytes = Convert.FromBase64String(encryptedElement.Value);
        var (nonce, tag) = (AesGcm.NonceByteSizes.MaxSize, AesGcm.TagByteSizes.MaxSize);
        var plain = new byte[bytes.Length - nonce - tag];
        using var aes = new AesGcm(services.GetRequiredService<MasterKey>().Value, tag);
        aes.Decrypt(bytes.AsSpan(0, nonce), bytes.AsSpan(nonce + tag), bytes.AsSpan(nonce, tag), plain);
        return XElement.Parse(Encoding.UTF8.GetString(plain));
    }
}

/// <summary>Sees at the start that every key of the ring opens: a node with another master key would write what no other can read. The first
/// start makes the first key.</summary>
public sealed class KeyRing(IKeyManager keys, IDataProtectionProvider protection)
{
    /// <exception cref="StartRefusedException">The ring was made with another master key.</exception>
    public void Check()
    {
        Open();
        // Not before: where no key opens, a new one would be made beside them.
        protection.CreateProtector("EmailApi.KeyRing").Protect([]);
    }

    /// <summary>Opens every key, and makes none.</summary>
    /// <returns>How many there are.</returns>
    /// <exception cref="StartRefusedException">The ring was made with another master key.</exception>
    public int Open()
    {
        var all = keys.GetAllKeys();
        foreach (var key in all.Where(k => !k.IsRevoked))
        {
            try
            {
                if (key.CreateEncryptor() is not null) continue;
            }
            catch (Exception error) when (error is CryptographicException or FormatException)
            {
                throw new StartRefusedException("EmailApi__MasterKey does not open the key ring in this database: start with the master key that it was made with.", error);
            }
        }

        return all.Count;
    }
}
