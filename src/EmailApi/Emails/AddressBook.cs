using System.Diagnostics.CodeAnalysis;

namespace EmailApi.Emails;

/// <summary>From addresses as a request gives them to mailboxes.</summary>
static class AddressBook
{
    public static bool TryRead(AddressInput input, [NotNullWhen(true)] out Mailbox? mailbox, out string error)
    {
        if (!input.IsObject) return MailboxParser.TryParse(input.Text!, out mailbox!, out error);

        mailbox = null;
        if (input.Name is not null && MailText.ControlFault(input.Name) is { } fault) { error = fault; return false; }
        if (!Address.TryParse(input.Email, out var address, out error)) return false;
        mailbox = new(address, string.IsNullOrWhiteSpace(input.Name) ? null : input.Name.Trim());
        return true;
    }

    /// <summary>For a request that passed the validator.</summary>
    public static Mailbox Read(AddressInput input) =>
        TryRead(input, out var mailbox, out var error) ? mailbox : throw new ArgumentException(error, nameof(input));

    public static IReadOnlyList<Mailbox> Read(AddressListInput? list) => list is null ? [] : [.. list.Items.Select(Read)];
}
